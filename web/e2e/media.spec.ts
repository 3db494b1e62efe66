/** Which picture, how large, by which codec, and how close to its sound: what the server's media plane decides. */
import type { ChromiumDriver } from './support/driver.ts';
import { expect, test } from './support/fixtures.ts';
import { seenFormats, watchFormats } from './support/formats.ts';
import { testId, tile, type Participant } from './support/participant.ts';
import { ada, bo, chen, type Person } from './support/people.ts';
import { soundsOf } from './support/sounds.ts';
import { pictureStream, senderReports, sentEncodings, type PictureStream } from './support/streams.ts';

type Guest = Participant<ChromiumDriver>;

/** Layers of the wide camera, smallest first: what its picture is wide. */
const LAYER_WIDTHS = [240, 480, 960] as const;

/** Estimation has to prove first that the network takes the largest layer. */
const QUALITY_MS = 30_000;

/** A window whose stage takes the largest layer, and whose strip the smallest. */
const VIEWPORT = { width: 1280, height: 720 };

function pictureOf(guest: Guest, person: Person): Promise<PictureStream | null> {
  return guest.driver.evaluate(pictureStream, `${tile(person.name)} video`);
}

async function pin({ driver: { page } }: Guest, person: Person): Promise<void> {
  const target = page.locator(tile(person.name));
  await target.hover();
  await target.locator(testId('tile-pin')).click();
  await page.mouse.move(1, 1);
}

async function expectWidth(guest: Guest, person: Person, is: (width: number) => boolean, which: string) {
  await expect
    .poll(async () => is((await pictureOf(guest, person))?.width ?? 0), {
      message: `${guest.name} gets ${person.name}'s ${which} picture`,
      timeout: QUALITY_MS,
    })
    .toBe(true);
}

const isLarge = (width: number): boolean => width === LAYER_WIDTHS[2];
const isSmall = (width: number): boolean => width > 0 && width < LAYER_WIDTHS[2];

/** Codecs, and how many encodings a browser sends for three layers. */
const LAYERED = [
  { codec: 'h264', name: 'H264', encodings: 3 },
  { codec: 'vp8', name: 'VP8', encodings: 3 },
  { codec: 'vp9', name: 'VP9', encodings: 1 },
  { codec: 'av1', name: 'AV1', encodings: 1 },
] as const;

for (const { codec, name, encodings } of LAYERED) {
  test(`tiles large and small get layers of their size with ${name}`, async ({ server, guests }) => {
    test.setTimeout(240_000);
    await server.createRoom('layers', { codec, topology: 'sfu' });
    const viewer = await guests.chromium(ada, { devices: 'absent', viewport: VIEWPORT });
    const senders = [
      await guests.chromium(bo, { scene: 'wide', viewport: { width: 640, height: 400 } }),
      await guests.chromium(chen, { scene: 'wide', viewport: { width: 640, height: 400 } }),
    ];
    await viewer.join(server.origin, 'layers');
    for (const sender of senders) await sender.join(server.origin, 'layers');
    await viewer.expectTopology('sfu');

    await pin(viewer, bo);
    await expectWidth(viewer, bo, isLarge, 'large');
    await expectWidth(viewer, chen, isSmall, 'small');
    for (const person of [bo, chen]) await viewer.expectMovingPicture(person);

    await pin(viewer, chen);
    await expectWidth(viewer, chen, isLarge, 'large');
    await expectWidth(viewer, bo, isSmall, 'small');
    for (const person of [bo, chen]) {
      await viewer.expectMovingPicture(person);
      await expect.poll(async () => (await pictureOf(viewer, person))?.codec).toBe(name);
    }
    for (const sender of senders) {
      const sent = await sender.driver.evaluate(sentEncodings, 'video');
      expect(new Set(sent.map((encoding) => encoding.codec))).toEqual(new Set([name]));
      expect(sent.length).toBeLessThanOrEqual(encodings);
      if (encodings > 1) continue;
      // All layers where the large picture comes from; of the other's, sooner or later, only those that are looked at.
      const [{ scalabilityMode } = { scalabilityMode: '' }] = sent;
      expect(scalabilityMode).toMatch(sender.person === chen ? /^L3T3_KEY$/ : /^L[1-3]T3/);
    }
  });
}

test('after joining, the large tile reaches the highest layer within seconds', async ({ server, guests }) => {
  await server.createRoom('quality', { topology: 'sfu' });
  const sender = await guests.chromium(bo, { scene: 'wide', viewport: { width: 640, height: 400 } });
  const viewer = await guests.chromium(ada, { devices: 'absent', viewport: VIEWPORT });
  await sender.join(server.origin, 'quality');
  await viewer.join(server.origin, 'quality');
  const joined = Date.now();
  await expectWidth(viewer, bo, isLarge, 'large');
  console.log(`the highest layer ${Date.now() - joined} ms after joining`);
  await viewer.expectMovingPicture(bo);
});

test('sound and picture of one person are told by the same clock', async ({ server, guests }) => {
  await server.createRoom('sync', { topology: 'sfu' });
  const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
  await first.join(server.origin, 'sync');
  await second.join(server.origin, 'sync');
  await first.expectToSee([ada, bo]);
  await first.expectToHear([bo]);
  // Reports tell where timestamps stand on the publisher's wall clock, which here is the receiver's as well. Were
  // those of sound and picture made on different clocks, or by the server's guess, they would be apart.
  const clocks = async () => {
    const reports = await first.driver.evaluate(senderReports, undefined);
    return reports.map(({ kind, sentAt, arrivedAt }) => ({ kind, behind: arrivedAt - sentAt }));
  };
  await expect
    .poll(async () => (await clocks()).map(({ kind }) => kind).sort(), { message: 'sender reports' })
    .toEqual(['audio', 'video']);
  for (const { kind, behind } of await clocks())
    expect(Math.abs(behind), `${kind} and the wall clock, in milliseconds`).toBeLessThan(100);
});

test.describe('with another browser', () => {
  test.use({ reach: 'interfaces' });

  test('sound goes out with redundancy, and comes without where nothing is lost', async ({
    server,
    guests,
  }) => {
    test.setTimeout(180_000);
    await server.createRoom('red', { topology: 'sfu' });
    const options = { unguarded: true };
    const [first, second] = [await guests.chromium(ada, options), await guests.chromium(bo, options)];
    const firefox = await guests.firefox(chen);
    for (const { driver } of [first, second]) await watchFormats(driver.page);
    for (const guest of [first, second, firefox]) await guest.join(server.origin, 'red');
    await first.expectToHear([bo]);

    // The server adds copies only where packets are lost (web/e2e/networks/lossy.spec.ts).
    await expect
      .poll(async () => Object.keys((await seenFormats(first.driver.page)).received))
      .toEqual(['audio/opus']);
    expect(Object.keys((await seenFormats(first.driver.page)).sent)).toEqual(['audio/red']);
    expect(Object.keys((await seenFormats(second.driver.page)).sent)).toEqual(['audio/red']);
    await first.expectToHear([bo]);
    await second.expectToHear([ada]);
    for (const guest of [first, second, firefox])
      expect(await guest.heardWithin(2_000)).toBeGreaterThan(0.001);

    // The administrator is told in what sounds come, and in what each receiver gets them.
    const { sources, slots } = await soundsOf(server, 'red');
    expect(sources).toEqual({ [ada.name]: 'opus-red', [bo.name]: 'opus-red', [chen.name]: 'opus' });
    expect(slots[chen.name]).toEqual(['opus']);
    expect(slots[ada.name]).toEqual(['opus']);
  });
});
