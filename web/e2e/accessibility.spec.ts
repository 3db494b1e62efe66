/** Every screen passes axe, in both languages and both appearances; the whole meeting works by keyboard. */
import { seriousFaults } from './support/axe.ts';
import { chatTexts } from './support/chat.ts';
import { expect, test } from './support/fixtures.ts';
import { testId, type Participant } from './support/participant.ts';
import type { ChromiumDriver } from './support/driver.ts';
import { ada, bo } from './support/people.ts';

for (const { locale, colorScheme } of [
  { locale: 'en-GB', colorScheme: 'light' },
  { locale: 'zh-CN', colorScheme: 'dark' },
] as const) {
  test(`axe finds nothing serious on any screen (${locale}, ${colorScheme})`, async ({ server, guests }) => {
    test.setTimeout(180_000);
    const guest = await guests.chromium(ada, { locale, colorScheme });
    const other = await guests.chromium(bo);
    const { page } = guest.driver;
    const check = async (screen: string) => expect(await seriousFaults(page), screen).toEqual([]);

    await page.goto(server.origin);
    await expect(page.locator(testId('start-meeting'))).toBeVisible();
    await check('home');

    await other.join(server.origin, 'checked');
    await page.goto(`${server.origin}/m/checked`);
    await page.fill(testId('name-input'), 'Ada');
    await expect(page.locator(testId('preview')).first()).toBeVisible();
    await check('green room');

    await page.click(testId('join'));
    await guest.expectState('connected');
    await guest.expectToSee([ada, bo]);
    await check('meeting');

    await page.click(testId('open-chat'));
    await expect(page.locator(testId('chat-input'))).toBeVisible();
    await check('chat');
    for (const panel of ['p', 'n', '?']) {
      await page.keyboard.press('Escape');
      await page.locator(testId('meeting')).press(panel);
      await page.waitForTimeout(250);
      await check(`what the key ${panel} opens`);
    }
    await page.keyboard.press('Escape');

    await guest.leave();
    await check('left');

    await page.goto(`${server.origin}/admin`);
    await expect(page.locator(testId('admin-token'))).toBeVisible();
    await check('signing in as the administrator');
    await page.fill(testId('admin-token'), server.adminToken);
    await page.click(testId('admin-sign-in'));
    await expect(page.locator(testId('admin-people'))).toHaveText('1');
    await check('all rooms');
    await page.goto(`${server.origin}/admin/rooms/checked`);
    await page.locator(testId('admin-person')).first().getByRole('button').click();
    await expect(page.locator(testId('admin-detail'))).toBeVisible();
    await check('one room');
  });
}

/** Tab moves the focus until it is on the element; a trap or something unreachable fails. */
async function tabTo({ driver: { page } }: Participant<ChromiumDriver>, id: string): Promise<void> {
  for (let step = 0; step < 60; step += 1) {
    const there = await page.evaluate(
      (wanted) =>
        document.activeElement?.closest(`[data-testid="${wanted}"]`) !== null &&
        document.activeElement !== document.body,
      id,
    );
    if (there) {
      const outlined = await page.evaluate(() => {
        const focused = document.activeElement;
        if (focused === null) return false;
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(focused);
        return (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
      });
      expect(outlined, `the focus shows on ${id}`).toBe(true);
      return;
    }
    await page.keyboard.press('Tab');
  }
  throw new Error(`${id} cannot be reached with Tab`);
}

test('a whole meeting by keyboard alone', async ({ server, guests }) => {
  test.setTimeout(180_000);
  const [guest, other] = [await guests.chromium(ada), await guests.chromium(bo)];
  await other.join(server.origin, 'keys');
  const { page } = guest.driver;
  const { keyboard } = page;
  await page.goto(`${server.origin}/m/keys`);
  await tabTo(guest, 'name-input');
  await keyboard.type('Ada');
  await tabTo(guest, 'join');
  await keyboard.press('Enter');
  await guest.expectState('connected');
  await other.expectToHear([ada]);

  const microphone = page.locator(testId('toggle-microphone'));
  await keyboard.press('m');
  await expect(microphone).toHaveAttribute('aria-pressed', 'false');
  await tabTo(guest, 'toggle-microphone');
  await keyboard.press('Enter');
  await expect(microphone).toHaveAttribute('aria-pressed', 'true');

  await keyboard.press('c');
  const input = page.locator(testId('chat-input'));
  await expect(input).toBeFocused();
  // None of these keys acts while typing.
  await keyboard.type('mvhcpsgfn 123?');
  await expect(microphone).toHaveAttribute('aria-pressed', 'true');
  await keyboard.press('Enter');
  await expect.poll(() => chatTexts(guest)).toEqual(['mvhcpsgfn 123?']);
  await keyboard.press('Escape');
  await expect(input).toBeHidden();

  await keyboard.press('h');
  await expect(other.driver.page.locator(testId('hands'))).toContainText('Ada');
  await tabTo(guest, 'leave');
  await keyboard.press('Enter');
  await guest.expectState('left');
  await other.expectTiles(['Bo']);
});
