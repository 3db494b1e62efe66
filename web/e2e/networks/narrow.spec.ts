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

test('a receiver on 400 kbit/s gets a small moving picture and whole sound, the others what they had', async ({
  world,
  guests,
}) => {
  test.setTimeout(180_000);
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
      .toBe(640);
  }
  const before = await look(wide, bo);

  narrow.home.narrow(NARROW_KBPS);
  try {
    const narrowed = Date.now();
    await expect
      .poll(async () => (await look(narrow, bo)).framesPerSecond, {
        message: 'frames a second of the picture that is looked at',
        timeout: SETTLED_MS,
        intervals: [0],
      })
      .toBeGreaterThan(before.framesPerSecond * 0.6);
    console.log(
      `    moving again ${Math.round((Date.now() - narrowed - LOOK_MS) / 1_000)} s after the line got thin`,
    );
    const [small, large] = await Promise.all([look(narrow, bo), look(wide, bo)]);
    console.log(`    on ${NARROW_KBPS} kbit/s: ${inWords(small)}`);
    console.log(`    beside it before: ${inWords(before)}`);
    console.log(`    beside it meanwhile: ${inWords(large)}`);
    expect(small.width).toBe(320);
    expect(small.framesPerSecond).toBeGreaterThan(before.framesPerSecond * 0.5);
    expect(small.concealed, 'share of sound that had to be made up').toBeLessThan(0.03);
    expect(small.concealed, 'no more than where nothing is narrow').toBeLessThan(large.concealed + 0.02);
    expect(small.kbps).toBeLessThan(NARROW_KBPS);
    await narrow.expectMovingPicture(bo);

    expect(large.width).toBe(before.width);
    expect(large.framesPerSecond).toBeGreaterThan(before.framesPerSecond * 0.8);
    expect(large.kbps).toBeGreaterThan(before.kbps * 0.8);
  } finally {
    narrow.home.narrow(null);
  }
  await expect.poll(() => widthOf(narrow, bo), { message: 'large again', timeout: 60_000 }).toBe(640);
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
    framesPerSecond: ((framesAfter?.framesDecoded ?? 0) - (framesBefore?.framesDecoded ?? 0)) / seconds,
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
