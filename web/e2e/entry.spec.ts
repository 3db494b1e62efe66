/** Coming in: with and without devices, and when the room says no. */
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { ada, bo, chen } from './support/people.ts';

test('home leads to the green room, and the green room into the meeting', async ({ server, guests }) => {
  const guest = await guests.chromium(ada);
  const { page } = guest.driver;
  await page.goto(server.origin);
  await page.click(testId('start-meeting'));
  await expect(page).toHaveURL(/\/m\/.+/);
  await page.fill(testId('name-input'), 'Ada');
  await expect
    .poll(() =>
      page
        .locator(`${testId('preview')} video, video${testId('preview')}`)
        .evaluate((video: HTMLVideoElement) => video.videoWidth),
    )
    .toBeGreaterThan(0);
  const joined = Date.now();
  await page.click(testId('join'));
  await guest.expectState('connected');
  await guest.expectMovingPicture(ada);
  console.log(`join to own moving picture: ${Date.now() - joined} ms`);
  await expect(page.locator(testId('participant-count'))).toContainText('1');

  await guest.leave();
  await page.click(testId('rejoin'));
  await guest.expectState('connected');
});

for (const devices of ['absent', 'refused'] as const) {
  test(`who has devices ${devices} still joins, sees and hears`, async ({ server, guests }) => {
    const [with_, without] = [await guests.chromium(ada), await guests.chromium(bo, { devices })];
    await with_.join(server.origin, 'listening');
    const { page } = without.driver;
    await page.goto(`${server.origin}/m/listening`);
    await expect(page.locator(testId('device-problem')).first()).toBeVisible();
    await page.fill(testId('name-input'), 'Bo');
    await page.click(testId('join'));
    await without.expectState('connected');

    await without.expectMovingPicture(ada);
    await without.expectToHear([ada]);
    await with_.expectTiles(['Ada', 'Bo']);
    expect(await with_.heardWithin(1_500)).toBeLessThan(1e-5);
  });
}

test('who comes in muted and without camera is neither heard nor seen until they choose', async ({
  server,
  guests,
}) => {
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  await first.join(server.origin, 'quiet');
  const { page } = second.driver;
  await page.goto(`${server.origin}/m/quiet`);
  await page.fill(testId('name-input'), 'Bo');
  await page.click(testId('toggle-microphone'));
  await page.click(testId('toggle-camera'));
  await page.click(testId('join'));
  await second.expectState('connected');
  await second.expectMovingPicture(ada);
  expect(await first.heardWithin(1_500)).toBeLessThan(1e-5);

  await page.click(testId('toggle-camera'));
  await page.click(testId('toggle-microphone'));
  await first.expectMovingPicture(bo);
  await first.expectToHear([bo]);
});

test('a room that is full or locked says so', async ({ server, guests }) => {
  await server.createRoom('small', { capacity: 1 });
  await server.createRoom('shut', { locked: true });
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  await first.join(server.origin, 'small');
  for (const [room, words] of [
    ['small', /everyone who fits/i],
    ['shut', /nobody new/i],
  ] as const) {
    await second.driver.goto(`${server.origin}/m/${room}?name=Bo&autojoin=1`);
    await expect(second.driver.page.getByText(words).first()).toBeVisible();
  }
  await first.expectTiles(['Ada']);
});

test('a room name that none can be is named as such', async ({ server, guests }) => {
  const guest = await guests.chromium(ada);
  await guest.driver.goto(`${server.origin}/m/${encodeURIComponent('not a room!')}`);
  await expect(guest.driver.page.getByText(/1 to 64 letters/).first()).toBeVisible();
});

test('the same person in a second page is asked which to keep', async ({ server, guests }) => {
  const [first, other] = [await guests.chromium(ada), await guests.chromium(chen)];
  await first.join(server.origin, 'twice');
  await other.join(server.origin, 'twice');
  const second = await first.driver.secondPage();
  await second.goto(`${server.origin}/m/twice?name=Ada&autojoin=1`);
  await second.click(testId('use-here'));
  await expect(second.locator(testId('meeting'))).toHaveAttribute('data-state', 'connected');
  await first.expectState('left');
  await other.expectTiles(['Ada', chen.name]);
  await other.expectMovingPicture(ada);
});
