/** The administrator's page against a real server with a real meeting. */
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { seriousFaults } from './support/axe.ts';
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { screenshots } from './support/paths.ts';
import { ada, bo, chen } from './support/people.ts';
import type { Server } from './support/server.ts';

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

async function signIn(page: Page, server: Server, path = '/admin'): Promise<void> {
  await page.goto(server.origin + path);
  await page.fill(testId('admin-token'), server.adminToken);
  await page.keyboard.press('Enter');
  await expect(page.locator(testId('admin'))).toBeVisible();
}

async function expectLive(page: Page): Promise<void> {
  await expect(page.locator(testId('admin-feed'))).toHaveAttribute('data-state', 'live');
}

/** That a figure is there, and becomes another one. */
async function expectMoving(page: Page, selector: string): Promise<void> {
  const figure = page.locator(selector);
  await expect(figure).toHaveText(/[1-9].*bit\/s/);
  const before = await figure.innerText();
  await expect.poll(() => figure.innerText()).not.toBe(before);
}

async function expectNoOverflow(page: Page): Promise<void> {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(overflow, 'nothing is wider than the screen').toBeLessThanOrEqual(0);
}

function person(name: string): string {
  return `${testId('admin-person')}[data-name="${name}"]`;
}

test('only the administrator gets in, and sees a meeting with figures that move', async ({
  server,
  guests,
}) => {
  test.setTimeout(180_000);
  await server.createRoom('board', { topology: 'sfu' });
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  for (const guest of [first, second]) await guest.join(server.origin, 'board');
  for (const guest of [first, second]) await guest.expectToSee([ada, bo]);

  const { page } = (await guests.chromium(chen, { viewport: WIDE, locale: 'en-GB' })).driver;
  await page.goto(`${server.origin}/admin`);
  await expect(page.locator(testId('admin-token'))).toBeFocused();
  expect(await seriousFaults(page), 'signing in').toEqual([]);
  await page.screenshot({ path: join(screenshots, 'admin-sign-in.png') });
  await page.fill(testId('admin-token'), 'not-the-right-token');
  await page.click(testId('admin-sign-in'));
  await expect(page.getByText('This is not the administrator’s token.')).toBeVisible();
  await expect(page.locator(testId('admin'))).toHaveCount(0);

  await page.fill(testId('admin-token'), server.adminToken);
  await page.keyboard.press('Enter');
  await expectLive(page);
  expect(page.url()).toBe(`${server.origin}/admin`);
  await expect(page.locator(testId('admin-people'))).toHaveText('2');
  await expectMoving(page, testId('admin-sent'));
  await expectMoving(page, testId('admin-received'));
  expect(await seriousFaults(page), 'all rooms').toEqual([]);
  await expectNoOverflow(page);
  await page.screenshot({ path: join(screenshots, 'admin.png'), fullPage: true });

  await page.locator(testId('admin-rooms')).getByRole('link', { name: 'board' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('board');
  await expect(page.locator(testId('admin-person'))).toHaveCount(2);
  await expectMoving(page, `${person('Ada')} ${testId('admin-person-sent')}`);
  await page.locator(person('Ada')).getByRole('button').click();
  const detail = page.locator(testId('admin-detail'));
  await expect(detail.getByText('Camera of Bo')).toBeVisible();
  await expect(detail.getByText('Microphone of Bo')).toBeVisible();
  await detail.getByRole('button', { name: /Picture 1/ }).click();
  await expect(detail.getByRole('img', { name: /Jitter/ })).toBeVisible();
  expect(await seriousFaults(page), 'one room').toEqual([]);
  await expectNoOverflow(page);
  await page.screenshot({ path: join(screenshots, 'admin-room.png'), fullPage: true });

  // Who leaves is remembered, and the page comes back as it was.
  await second.leave();
  await expect(page.locator(person('Bo'))).toContainText('Left');
  await page.reload();
  await expectLive(page);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('board');
  await page.click(testId('admin-sign-out'));
  await expect(page.locator(testId('admin-token'))).toBeVisible();
  await page.reload();
  await expect(page.locator(testId('admin-token'))).toBeVisible();
});

test('on a phone, in Chinese, in the dark', async ({ server, guests }) => {
  test.setTimeout(180_000);
  await server.createRoom('例会', { topology: 'sfu' });
  const [first, second] = [await guests.chromium(ada), await guests.chromium(chen)];
  for (const guest of [first, second]) await guest.join(server.origin, '例会');
  await first.expectToSee([ada, chen]);
  const { page } = (
    await guests.chromium(bo, { viewport: PHONE, phone: true, locale: 'zh-CN', colorScheme: 'dark' })
  ).driver;
  await signIn(page, server);
  await expectLive(page);
  await expectMoving(page, testId('admin-sent'));
  await expect(page.getByText('1 个房间')).toBeVisible();
  await expectNoOverflow(page);
  expect(await seriousFaults(page), 'all rooms').toEqual([]);
  await page.screenshot({ path: join(screenshots, 'admin-phone-chinese.png'), fullPage: true });

  await page.locator(testId('admin-rooms')).getByRole('link', { name: '例会' }).click();
  await page.locator(person('陈晨')).getByRole('button').click();
  await expect(page.locator(testId('admin-detail')).getByText('Ada 的摄像头')).toBeVisible();
  await expectNoOverflow(page);
  expect(await seriousFaults(page), 'one room').toEqual([]);
  await page.screenshot({ path: join(screenshots, 'admin-room-phone-chinese.png'), fullPage: true });
});

/** Tab moves the focus until it is on what is wanted. */
async function tabTo(page: Page, isIt: (element: Element) => boolean): Promise<void> {
  for (let step = 0; step < 80; step += 1) {
    const source = `(${isIt.toString()})(document.activeElement ?? document.body)`;
    if ((await page.evaluate(source)) === true) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('cannot be reached with Tab');
}

test('by keyboard alone: signing in, searching, sorting, a person, a chart', async ({ server, guests }) => {
  test.setTimeout(180_000);
  await server.createRoom('keys', { topology: 'sfu' });
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  for (const guest of [first, second]) await guest.join(server.origin, 'keys');
  await first.expectToSee([ada, bo]);
  const { page } = (await guests.chromium(chen, { viewport: WIDE, locale: 'en-GB', colorScheme: 'dark' }))
    .driver;
  const { keyboard } = page;
  await page.goto(`${server.origin}/admin`);
  await expect(page.locator(testId('admin-token'))).toBeFocused();
  await keyboard.type(server.adminToken);
  await keyboard.press('Enter');
  await expectLive(page);

  await keyboard.press('/');
  await expect(page.locator(testId('admin-search'))).toBeFocused();
  await keyboard.type('nothing');
  await expect(page.getByText('No room is called that.')).toBeVisible();
  for (let key = 0; key < 'nothing'.length; key += 1) await keyboard.press('Backspace');
  await keyboard.type('KEY');
  await tabTo(page, (element) => element.textContent.trim() === 'keys');
  await keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('keys');
  await expect(page.locator(testId('admin-person'))).toHaveCount(2);

  const names = () =>
    page
      .locator(testId('admin-person'))
      .evaluateAll((rows) => rows.map((row) => row.getAttribute('data-name')));
  await tabTo(page, (element) => element.textContent.trim() === 'Name');
  await keyboard.press('Enter');
  await expect(page.getByRole('columnheader', { name: 'Name' })).toHaveAttribute('aria-sort', 'ascending');
  expect(await names()).toEqual(['Ada', 'Bo']);
  await keyboard.press('Enter');
  await expect(page.getByRole('columnheader', { name: 'Name' })).toHaveAttribute('aria-sort', 'descending');
  expect(await names()).toEqual(['Bo', 'Ada']);

  await tabTo(page, (element) => element.closest('[data-name="Bo"]') !== null);
  await keyboard.press('Enter');
  await expect(page.locator(testId('admin-detail'))).toBeVisible();
  await tabTo(page, (element) => element.getAttribute('role') === 'img');
  await keyboard.press('ArrowLeft');
  await expect(
    page
      .locator(testId('admin-detail'))
      .getByText(/^\d\d:\d\d:\d\d/)
      .first(),
  ).toBeVisible();
  expect(await seriousFaults(page)).toEqual([]);
  await page.screenshot({ path: join(screenshots, 'admin-room-dark.png'), fullPage: true });
});

test('a server that goes away and comes back is told, and the figures go on', async ({ server, guests }) => {
  const { page } = (await guests.chromium(ada, { viewport: WIDE, locale: 'en-GB' })).driver;
  await signIn(page, server);
  await expectLive(page);
  await expect(page.getByText('Nobody is meeting right now.')).toBeVisible();
  await page.screenshot({ path: join(screenshots, 'admin-empty.png'), fullPage: true });
  await server.terminate();
  await expect(page.locator(testId('admin-feed'))).toHaveAttribute('data-state', 'reconnecting');
  await server.start();
  await expectLive(page);
  await page.goto(`${server.origin}/admin/rooms/nobody`);
  await expect(page.getByText('Nobody was in this room within the last hour.')).toBeVisible();
});
