/** The connectivity check against a real server: every rung, what it says, how it looks. */
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { seriousFaults } from './support/axe.ts';
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { screenshots } from './support/paths.ts';
import { ada, bo } from './support/people.ts';

const WIDE = { width: 1280, height: 1000 };
const PHONE = { width: 390, height: 844 };

/** Within so long somebody who waits knows whether a meeting works, and all the rest; milliseconds. */
const FIRST_VERDICT_MS = 4_000;
const EVERYTHING_MS = 15_000;

async function rungStates(page: Page): Promise<Record<string, string>> {
  return Object.fromEntries(
    await page
      .locator(testId('check-rung'))
      .evaluateAll((rungs) =>
        rungs.map((rung) => [rung.getAttribute('data-rung') ?? '', rung.getAttribute('data-state') ?? '']),
      ),
  );
}

async function done(page: Page): Promise<void> {
  await expect(page.locator(testId('check-verdict'))).toHaveAttribute('data-done', 'true', {
    timeout: EVERYTHING_MS,
  });
}

test('an open network: every way works, with time and loss', async ({ server, guests }) => {
  const guest = await guests.chromium(ada, { viewport: WIDE });
  const { page } = guest.driver;
  await page.goto(server.origin);
  await page.click(testId('open-check'));
  const verdict = page.locator(testId('check-verdict'));
  await expect(verdict).toHaveAttribute('data-verdict', /^(works-so-far|udp)$/, {
    timeout: FIRST_VERDICT_MS,
  });
  await done(page);
  await expect(verdict).toHaveAttribute('data-verdict', 'udp');
  await expect(verdict).toContainText('Meetings work from here.');
  expect(await rungStates(page)).toMatchObject({
    page: 'works',
    websocket: 'works',
    udp: 'works',
    tcp: 'works',
    'turn-udp': 'works',
    'turn-tcp': 'works',
  });
  for (const rung of ['udp', 'tcp'])
    await expect(page.locator(`[data-rung=${rung}]`)).toContainText(/ready in .* ms · round trip .* ms/);
  for (const rung of ['turn-udp', 'turn-tcp'])
    await expect(page.locator(`[data-rung=${rung}]`)).toContainText(/round trip .* ms · 0% lost/);
  expect(await seriousFaults(page)).toEqual([]);
  await page.screenshot({ path: join(screenshots, 'check.png') });

  await page.click(testId('check-again'));
  await expect(verdict).toHaveAttribute('data-done', 'false');
  await done(page);
  await expect(verdict).toHaveAttribute('data-verdict', 'udp');
});

test('the result as text names the server and nobody else', async ({ server, guests }) => {
  const guest = await guests.chromium(ada);
  const { page } = guest.driver;
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.origin });
  await page.goto(`${server.origin}/check`);
  await done(page);
  await page.click(testId('check-copy'));
  await expect(page.getByText('Copied')).toBeVisible();
  const text = await page.evaluate(() => navigator.clipboard.readText());
  expect(text).toContain(new URL(server.origin).host);
  expect(text).toMatch(/- UDP: Works \(ready in /);
  const addresses = text.match(/\b\d+\.\d+\.\d+\.\d+(:\d+)?/g) ?? [];
  expect(new Set(addresses)).toEqual(new Set([new URL(server.origin).host]));
});

test('on a phone, in Chinese, in the dark, and by keyboard', async ({ server, guests }) => {
  const guest = await guests.chromium(bo, {
    viewport: PHONE,
    phone: true,
    locale: 'zh-CN',
    colorScheme: 'dark',
  });
  const { page } = guest.driver;
  await page.goto(`${server.origin}/check`);
  await expect(page.locator(testId('check-verdict'))).toBeVisible();
  expect(await seriousFaults(page), 'while it runs').toEqual([]);
  await done(page);
  await expect(page.locator(testId('check-verdict'))).toContainText('这里可以开会。');
  expect(await seriousFaults(page)).toEqual([]);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow, 'nothing is wider than the screen').toBeLessThanOrEqual(0);
  await page.screenshot({ path: join(screenshots, 'check-phone-chinese.png'), fullPage: true });

  await page.locator(testId('check-again')).focus();
  await page.keyboard.press('Enter');
  await expect(page.locator(testId('check-verdict'))).toHaveAttribute('data-done', 'false');
  await expect(page.locator(testId('check-again'))).toBeFocused();
  await done(page);
});

test('a server that goes away is told apart from a network that blocks', async ({ server, guests }) => {
  const guest = await guests.chromium(ada);
  const { page } = guest.driver;
  await page.goto(`${server.origin}/check`);
  await done(page);
  await server.terminate();
  await page.click(testId('check-again'));
  await expect(page.locator(testId('check-verdict'))).toHaveAttribute('data-verdict', 'no-page', {
    timeout: EVERYTHING_MS,
  });
  const states = await rungStates(page);
  expect(states).toMatchObject({ page: 'fails', websocket: 'fails', udp: 'unknown', 'turn-tls': 'unknown' });
  expect(await seriousFaults(page)).toEqual([]);
});

test.describe('in another browser', () => {
  test.use({ reach: 'interfaces' });

  test('Firefox finds the same', async ({ server, guests }) => {
    const { driver } = await guests.firefox(ada);
    await driver.goto(`${server.origin}/check`);
    const rungs = () =>
      driver.evaluate(
        (): Record<string, string | undefined> =>
          Object.fromEntries(
            [...document.querySelectorAll<HTMLElement>('[data-testid=check-rung]')].map(({ dataset }) => [
              dataset.rung ?? '',
              dataset.state,
            ]),
          ),
        undefined,
      );
    const isDone = () =>
      driver.evaluate(
        () => document.querySelector<HTMLElement>('[data-testid=check-verdict]')?.dataset.done,
        undefined,
      );
    await expect.poll(isDone, { timeout: EVERYTHING_MS }).toBe('true');
    expect(await rungs()).toMatchObject({
      page: 'works',
      websocket: 'works',
      udp: 'works',
      tcp: 'works',
      'turn-udp': 'works',
      'turn-tcp': 'works',
    });
  });
});
