/** The meeting screen by itself, with a meeting that does what it is told: keyboard, screen readers, sizes. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium, expect, test, type Browser, type Page } from '@playwright/test';
import type { AxeResults, RunOptions } from 'axe-core';
import { createServer, type ViteDevServer } from 'vite';
import * as paths from './support/paths.ts';
import { testId } from './support/participant.ts';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let server: ViteDevServer;
let browser: Browser;
let page: Page;

test.beforeAll(async () => {
  test.setTimeout(120_000);
  server = await createServer({
    root: fileURLToPath(new URL('..', import.meta.url)),
    logLevel: 'error',
    server: { port: 0, host: '127.0.0.1', hmr: false, watch: null },
  });
  await server.listen();
  browser = await chromium.launch({
    executablePath: paths.chromium,
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
});

test.afterAll(async () => {
  await browser.close();
  await server.close();
});

test.afterEach(() => page.context().close());

async function open(query: string, viewport = { width: 1280, height: 800 }): Promise<void> {
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce' });
  page = await context.newPage();
  await page.goto(new URL(`/dev/meeting.html?${query}`, server.resolvedUrls?.local[0]).href);
  await expect(page.locator(testId('meeting'))).toHaveAttribute('data-state', 'connected');
  await expect(page.locator(testId('tile')).first()).toBeVisible();
}

/** What axe finds that is serious or worse, in words. */
async function seriousFaults(): Promise<string[]> {
  await page.addScriptTag({ path: axe });
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(options: RunOptions): Promise<AxeResults> } };
    return (await axe.run({ resultTypes: ['violations'] })).violations;
  });
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}

const focused = (): Promise<string> =>
  page.evaluate(() => {
    const { activeElement } = document;
    return activeElement?.getAttribute('data-testid') ?? activeElement?.tagName ?? '';
  });

test('axe finds nothing serious, whatever is open', async () => {
  test.setTimeout(480_000);
  await open('people=3&screens=1&chat=3');
  expect(await seriousFaults(), 'stage').toEqual([]);
  for (const panel of ['chat', 'people'] as const) {
    await page.click(testId(`open-${panel}`));
    expect(await seriousFaults(), panel).toEqual([]);
  }
  for (const action of ['network', 'settings', 'help'] as const) {
    await page.click(testId('open-more'));
    expect(await seriousFaults(), 'menu').toEqual([]);
    await page.click(`${testId('more-menu')} [data-action=${action}]`);
    expect(await seriousFaults(), action).toEqual([]);
  }
  await page.keyboard.press('Escape');
  await page.click(testId('open-reactions'));
  expect(await seriousFaults(), 'reactions').toEqual([]);
  await page.click(testId('truth'));
  expect(await seriousFaults(), 'truth').toEqual([]);
});

test('the whole meeting can be walked by keyboard, without a trap', async () => {
  await open('people=3');
  const reached = new Set<string>();
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press('Tab');
    reached.add(await focused());
  }
  for (const control of [
    'toggle-microphone',
    'toggle-camera',
    'raise-hand',
    'open-reactions',
    'open-more',
    'leave',
    'open-people',
    'open-chat',
    'truth',
    'tile-pin',
  ]) {
    expect([...reached]).toContain(control);
  }
});

test('focus goes into what opens, and comes back', async () => {
  await open('people=3');
  await page.focus(testId('open-chat'));
  await page.keyboard.press('Enter');
  await expect.poll(focused).toBe('chat-input');
  await page.keyboard.type('mvc: nothing but text');
  await page.keyboard.press('Enter');
  await expect(page.locator(testId('chat-message'))).toContainText('mvc: nothing but text');
  await expect(page.locator(testId('toggle-microphone'))).toHaveAttribute('aria-pressed', 'true');
  await page.keyboard.press('Escape');
  await expect.poll(focused).toBe('open-chat');

  await page.focus(testId('open-more'));
  await page.keyboard.press('Enter');
  await expect(page.locator(testId('more-menu'))).toBeVisible();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  await expect(page.locator(testId('more-menu'))).toHaveCount(0);
  await expect.poll(focused).toBe('open-more');
});

test('keys act on the meeting', async () => {
  await open('people=3');
  await page.keyboard.press('m');
  await expect(page.locator(testId('toggle-microphone'))).toHaveAttribute('aria-pressed', 'false');
  await page.keyboard.down(' ');
  await expect(page.locator(testId('talking'))).toBeVisible();
  await page.keyboard.up(' ');
  await expect(page.locator(testId('toggle-microphone'))).toHaveAttribute('aria-pressed', 'false');
  await page.keyboard.press('h');
  await expect(page.locator(testId('hands'))).toBeVisible();
  await page.keyboard.press('2');
  await expect(page.locator(`${testId('reactions')} li`)).toHaveCount(1);
  await page.keyboard.press('p');
  await expect(page.locator(testId('panel-people'))).toBeVisible();
  await page.keyboard.press('n');
  await expect(page.locator(testId('panel-network'))).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.locator(testId('panel-network'))).toHaveCount(0);
});

test('the own picture of a one-to-one moves by arrow keys', async () => {
  await open('people=2');
  const own = page.locator(`${testId('tile')}[data-role=floating]`);
  const before = await own.boundingBox();
  await page.getByRole('group', { name: /Your picture/ }).focus();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowLeft');
  await expect
    .poll(async () => {
      const now = await own.boundingBox();
      return now && before && now.x < before.x && now.y < before.y;
    })
    .toBe(true);
});

test('what happens is said to screen readers', async () => {
  await open('people=3');
  await page.evaluate(() => {
    const { fake } = window as unknown as { fake: { say(id: string, text: string): void } };
    fake.say('p1', 'shall we start?');
  });
  await expect(page.locator(testId('announcer'))).toContainText('Message from Bo Andersen: shall we start?');
});

for (const [name, viewport] of Object.entries({
  'a phone held upright': { width: 390, height: 844 },
  'a small phone': { width: 320, height: 568 },
  'a phone on its side': { width: 844, height: 390 },
  'a wide screen': { width: 2560, height: 1080 },
})) {
  test(`nothing leaves the screen: ${name}`, async () => {
    await open('people=5&screens=1', viewport);
    const outside = await page.evaluate(() =>
      [...document.querySelectorAll('[data-testid]')]
        .filter((element) => {
          const { left, right, top, bottom, width } = element.getBoundingClientRect();
          const hidden = width <= 1 || element.closest('.controls [data-testid^=tile-]') !== null;
          return !hidden && (left < -1 || top < -3 || right > innerWidth + 1 || bottom > innerHeight + 1);
        })
        .map((element) => element.getAttribute('data-testid')),
    );
    expect(outside).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(
      0,
    );
    await page.click(testId('open-chat'));
    await expect(page.locator(testId('chat-input'))).toBeInViewport();
  });
}
