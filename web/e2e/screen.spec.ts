/** Screens are shared, several at once, and give the stage back. */
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { ada, bo, chen } from './support/people.ts';

test('two people share their screens at once, directly and through the server', async ({
  server,
  guests,
}) => {
  test.setTimeout(240_000);
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  await first.join(server.origin, 'screens');
  await second.join(server.origin, 'screens');
  await first.expectToSee([ada, bo]);

  await first.driver.click(testId('share-screen'));
  await second.expectTiles(['Ada'], 'screen');
  await second.expectMovingPicture(ada, 'screen');

  const third = await guests.chromium(chen);
  await third.join(server.origin, 'screens');
  await third.expectMovingPicture(ada, 'screen');
  await second.driver.click(testId('share-screen'));
  for (const guest of [first, third]) {
    await guest.expectTiles(['Ada', 'Bo'], 'screen');
    await guest.expectMovingPicture(bo, 'screen');
    // One on the stage, the other beside it: both move.
    await guest.expectMovingPicture(bo, 'camera');
  }
  await third.expectMovingPicture(ada, 'screen');

  await first.driver.click(testId('share-screen'));
  await third.expectTiles(['Bo'], 'screen');
  await second.driver.click(testId('share-screen'));
  for (const guest of [first, second, third]) {
    await guest.expectTiles([], 'screen');
    await guest.expectToSee([ada, bo, chen]);
  }
});

test("the browser's own screen picker", async ({ server, guests }) => {
  const [first, second] = [await guests.chromium(ada, { monitor: true }), await guests.chromium(bo)];
  await first.join(server.origin, 'monitor');
  await second.join(server.origin, 'monitor');
  await first.driver.click(testId('share-screen'));
  await second.expectTiles(['Ada'], 'screen');
  const from = Date.now();
  await expect
    .poll(async () => (await second.framesSince(from)).get('Ada/screen')?.frames ?? 0)
    .toBeGreaterThan(5);
});
