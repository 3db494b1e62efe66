/** One receiver has a thin line: it gets what fits, and nobody else loses anything. */
import { ada, bo, chen, type Person } from '../support/people.ts';
import { testId, tile } from '../support/participant.ts';
import { pictureStream, soundStreams } from '../support/streams.ts';
import { expect, test } from './support/fixtures.ts';
import type { Guest } from './support/guest.ts';

const NARROW_KBPS = 400;
/** Larger than a layer for a small tile; that of a large one needs more than the whole line. */
const VIEWPORT = { width: 1280, height: 720 };
/** Until the server knows what the line carries, and a picture that fits has come. */
const SETTLED_MS = 60_000;
const LOOK_MS = 10_000;
/** What the smaller layer is wide; the larger one is 640, or 480 where its sender's processor has too much to do. */
const SMALL = 320;
/** Most of the samples that may be made up beyond those where nothing is narrow. */
const MORE_MADE_UP = 0.02;

test('a receiver on 400 kbit/s gets a small moving picture and whole sound, the others what they had', async ({
  world,
  guests,
}) => {
  test.setTimeout(300_000);
  const [narrow, wide, sender] = [
    await guests.arrive(ada),
    await guests.arrive(chen),
    await guests.arrive(bo),
  ];
  await narrow.join(world.server.origin, 'narrow', { topology: 'sfu' });
  for (const guest of [wide, sender]) await guest.join(world.server.origin, 'narrow');
  for (const guest of [narrow, wide]) {
    await guest.driver.page.setViewportSize(VIEWPORT);
    await guest.expectToSee([ada, bo, chen]);
    await pin(guest, bo);
    await expect
      .poll(() => widthOf(guest, bo), { message: `${guest.name}'s large picture`, timeout: 40_000 })
      .toBeGreaterThan(SMALL);
  }
  const before = await look(wide, bo);

  narrow.home.narrow(NARROW_KBPS);
  try {
    const narrowed = Date.now();
    // Probes that fit into the line's token bucket say now and then that it carries twice as much: then a larger picture
    // is tried, and given up.
    let [small, large] = [before, before];
    await expect
      .poll(
        async () => {
          [small, large] = await Promise.all([look(narrow, bo), look(wide, bo)]);
          console.log(`    on ${NARROW_KBPS} kbit/s: ${inWords(small)}`);
          const moves = small.width === SMALL && small.framesPerSecond > before.framesPerSecond * 0.6;
          return moves && small.concealed < large.concealed + MORE_MADE_UP;
        },
        { message: 'a small picture that moves, and whole sound', timeout: SETTLED_MS, intervals: [0] },
      )
      .toBe(true);
    console.log(
      `    small and moving ${Math.round((Date.now() - narrowed - LOOK_MS) / 1_000)} s after the line got thin`,
    );
    console.log(`    beside it before: ${inWords(before)}`);
    console.log(`    beside it meanwhile: ${inWords(large)}`);
    expect(small.kbps).toBeLessThan(NARROW_KBPS);
    await narrow.expectMovingPicture(bo);

    expect(large.width).toBeGreaterThan(SMALL);
    expect(large.framesPerSecond).toBeGreaterThan(before.framesPerSecond * 0.8);
    expect(large.kbps).toBeGreaterThan(before.kbps * 0.8);
  } finally {
    narrow.home.narrow(null);
  }
  await expect
    .poll(() => widthOf(narrow, bo), { message: 'large again', timeout: 60_000 })
    .toBeGreaterThan(SMALL);
});

interface Seen {
  width: number;
  framesPerSecond: number;
  /** All that arrived. */
  kbps: number;
  /** Share of the samples. */
  concealed: number;
  voices: number;
}

/** What somebody gets for a while: one person's picture, and all sounds. */
async function look(guest: Guest, of: Person): Promise<Seen> {
  const picture = () => guest.driver.evaluate(pictureStream, `${tile(of.name)} video`);
  const sound = () => guest.driver.evaluate(soundStreams, undefined);
  const [began, framesBefore, soundBefore] = [Date.now(), await picture(), await sound()];
  await guest.driver.page.waitForTimeout(LOOK_MS);
  const [framesAfter, soundAfter] = [await picture(), await sound()];
  const seconds = (Date.now() - began) / 1_000;
  return {
    width: framesAfter?.width ?? 0,
    // A picture that was not there all the time did not move all the time.
    framesPerSecond:
      framesBefore && framesAfter ? (framesAfter.framesDecoded - framesBefore.framesDecoded) / seconds : 0,
    kbps: ((soundAfter.allBytes - soundBefore.allBytes) * 8) / 1_000 / seconds,
    concealed:
      (soundAfter.concealed - soundBefore.concealed) / Math.max(1, soundAfter.samples - soundBefore.samples),
    voices: soundAfter.voices,
  };
}

async function widthOf(guest: Guest, of: Person): Promise<number> {
  return (await guest.driver.evaluate(pictureStream, `${tile(of.name)} video`))?.width ?? 0;
}

async function pin({ driver: { page } }: Guest, person: Person): Promise<void> {
  const target = page.locator(tile(person.name));
  await target.hover();
  await target.locator(testId('tile-pin')).click();
  await page.mouse.move(1, 1);
}

function inWords({ width, framesPerSecond, kbps, concealed, voices }: Seen): string {
  const sound = `${voices} voices with ${(concealed * 100).toFixed(1)} % made up`;
  return `${width} px wide, ${framesPerSecond.toFixed(1)} frames/s, ${sound}, ${Math.round(kbps)} kbit/s in all`;
}
