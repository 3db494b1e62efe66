/** Pictures of every screen, for whoever wants to look: web/screenshots. */
import { join } from 'node:path';
import { openChat, sendChat } from './support/chat.ts';
import type { ChromiumDriver, ChromiumOptions } from './support/driver.ts';
import { test } from './support/fixtures.ts';
import { testId, type Participant } from './support/participant.ts';
import { screenshots } from './support/paths.ts';
import { ada, bo, chen, people, type Person } from './support/people.ts';

const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
/** How each of five people looks at the meeting; those of whom no picture is taken cost the machine little. */
function seatOf(person: Person): ChromiumOptions {
  if (person === ada) return { viewport: WIDE, scene: 'small' };
  if (person === chen) return { viewport: PHONE, phone: true, scene: 'small' };
  return { viewport: { width: 480, height: 300 }, scene: 'small' };
}

async function shoot({ driver: { page } }: Participant<ChromiumDriver>, name: string): Promise<void> {
  await page.mouse.move(WIDE.width / 2, 300);
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

test('home and green room', async ({ server, guests }) => {
  const guest = await guests.chromium(ada, { viewport: WIDE });
  const { page } = guest.driver;
  await page.goto(server.origin);
  await page.locator(testId('start-meeting')).waitFor();
  await shoot(guest, 'home');
  const inside = await guests.chromium(bo);
  await inside.join(server.origin, 'planning');
  await page.goto(`${server.origin}/m/planning`);
  await page.fill(testId('name-input'), 'Ada');
  await page.locator(testId('inside')).getByText('Bo').waitFor();
  await shoot(guest, 'green-room');

  const dark = await guests.chromium(chen, { viewport: WIDE, colorScheme: 'dark', locale: 'zh-CN' });
  await dark.driver.goto(server.origin);
  await dark.driver.page.locator(testId('start-meeting')).waitFor();
  await shoot(dark, 'home-dark-chinese');
  await dark.driver.goto(`${server.origin}/m/planning`);
  await dark.driver.page.locator(testId('inside')).getByText('Bo').waitFor();
  await shoot(dark, 'green-room-dark-chinese');
});

test('two people, chat, screen sharing, phone and Chinese', async ({ server, guests }) => {
  test.setTimeout(180_000);
  const first = await guests.chromium(ada, { viewport: WIDE });
  const phone = await guests.chromium(bo, {
    viewport: PHONE,
    phone: true,
    locale: 'zh-CN',
    colorScheme: 'dark',
  });
  await first.join(server.origin, 'planning');
  await phone.join(server.origin, 'planning');
  for (const guest of [first, phone]) await guest.expectToSee([ada, bo]);
  await shoot(first, 'meeting-2');
  await shoot(phone, 'meeting-phone-chinese');

  await sendChat(phone, '大家早上好！');
  await sendChat(first, 'Good morning. The agenda: https://example.org/agenda');
  await openChat(first);
  await shoot(first, 'chat');
  await shoot(phone, 'chat-phone-chinese');
  await phone.driver.page.keyboard.press('Escape');
  await first.driver.page.keyboard.press('Escape');

  await first.driver.click(testId('share-screen'));
  await phone.expectMovingPicture(ada, 'screen');
  await shoot(first, 'screen-sharing-own');
  await shoot(phone, 'screen-sharing-phone');
  await first.driver.click(testId('share-screen'));
  await first.expectTiles([], 'screen');
});

test('five people and a shared screen', async ({ server, guests }) => {
  test.setTimeout(240_000);
  const everybody = [];
  for (const person of people) everybody.push(await guests.chromium(person, seatOf(person)));
  for (const guest of everybody) {
    await guest.join(server.origin, 'planning');
    if (![ada, bo].includes(guest.person)) await guest.driver.click(testId('toggle-microphone'));
  }
  const [first, second] = everybody as [Participant<ChromiumDriver>, Participant<ChromiumDriver>];
  await first.expectToSee(people);
  await shoot(first, 'meeting-5');
  const [, , phone] = everybody as [unknown, unknown, Participant<ChromiumDriver>];
  await phone.expectToSee(people);
  await shoot(phone, 'meeting-5-phone');
  await second.driver.click(testId('share-screen'));
  await first.expectMovingPicture(bo, 'screen');
  await shoot(first, 'screen-sharing');
});

test('the administrator’s page', async ({ server, guests }) => {
  test.setTimeout(240_000);
  await server.createRoom('planning', { topology: 'sfu' });
  const inside = await guests.chromiums([ada, bo, chen]);
  for (const guest of inside) await guest.join(server.origin, 'planning');
  await inside[0]?.expectToSee([ada, bo, chen]);
  const { driver } = await guests.chromium(people[3] ?? ada, { viewport: WIDE, colorScheme: 'dark' });
  const { page } = driver;
  await page.goto(`${server.origin}/admin`);
  await page.fill(testId('admin-token'), server.adminToken);
  await page.keyboard.press('Enter');
  await page.locator(testId('admin-people')).getByText('3').waitFor();
  // So that there is something to see in the charts.
  await page.waitForTimeout(12_000);
  await page.screenshot({ path: join(screenshots, 'admin-dark.png'), fullPage: true });
  await page.goto(`${server.origin}/admin/rooms/planning`);
  await page.locator(testId('admin-person')).first().getByRole('button').click();
  await page.locator(testId('admin-stream')).first().waitFor();
  await page.screenshot({ path: join(screenshots, 'admin-room-three-dark.png'), fullPage: true });
});
