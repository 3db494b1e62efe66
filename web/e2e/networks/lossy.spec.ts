/** One receiver's network loses packets by chance: copies of sounds go to it, and to nobody else. */
import { ada, bo } from '../support/people.ts';
import { soundsOf } from '../support/sounds.ts';
import { soundStreams } from '../support/streams.ts';
import { expect, test } from './support/fixtures.ts';
import type { Guest } from './support/guest.ts';

const LOST_PERCENT = 20;
const LOOK_MS = 4_000;
/** Most of the samples that may be made up. Without copies it is about as many as packets are lost. */
const WHOLE = 0.02;
/** As the server counts them; Chromium's statistics do not. */
const COPIES = 'conclave_media_sound_copies_total';

test('a receiver who loses a fifth of all packets hears nearly everything, by copies that others do not get', async ({
  world,
  guests,
}) => {
  const { server } = world;
  const [lossy, clean] = [await guests.arrive(ada), await guests.arrive(bo)];
  await lossy.join(server.origin, 'lossy', { topology: 'sfu' });
  await clean.join(server.origin, 'lossy');
  await lossy.expectToHear([bo]);
  // The server is that of the tests before, too.
  const copies = await server.metric(COPIES);
  await clean.driver.page.waitForTimeout(LOOK_MS);
  expect(await server.metric(COPIES), 'where nothing is lost').toBe(copies);
  lossy.home.lose(LOST_PERCENT);
  try {
    await expect
      .poll(
        async () => {
          const before = await server.metric(COPIES);
          const concealed = await madeUp(lossy);
          const copies = ((await server.metric(COPIES)) - before) / (LOOK_MS / 1_000);
          console.log(`    ${(concealed * 100).toFixed(2)} % made up, ${copies} copies a second`);
          return copies > 50 && concealed < WHOLE;
        },
        { message: 'nearly whole sound, with copies', timeout: 30_000, intervals: [0] },
      )
      .toBe(true);
    const { slots } = await soundsOf(server, 'lossy');
    expect(slots).toEqual({ [ada.name]: ['opus-red'], [bo.name]: ['opus'] });
  } finally {
    lossy.home.lose(0);
  }
});

/** What share of what somebody hears for a while is made up. */
async function madeUp(guest: Guest): Promise<number> {
  const before = await guest.driver.evaluate(soundStreams, undefined);
  await guest.driver.page.waitForTimeout(LOOK_MS);
  const after = await guest.driver.evaluate(soundStreams, undefined);
  return (after.concealed - before.concealed) / Math.max(1, after.samples - before.samples);
}
