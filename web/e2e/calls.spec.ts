/** Everybody sees the right people move, and hears them, with each codec and number of people. */
import { expect, test } from './support/fixtures.ts';
import { testId } from './support/participant.ts';
import { ada, bo, chen, dalia, emeka, people } from './support/people.ts';

const CODECS = [
  { preference: 'h264', name: 'H264' },
  { preference: 'vp8', name: 'VP8' },
] as const;

/** At its port, or a relay of its own (192.0.0.8, [100::8]: addresses that no network has). */
function isOfServer(remote: string, port: number): boolean {
  return remote.endsWith(`:${port}`) || /^(192\.0\.0\.8|\[?100::8\]?):/.test(remote);
}

for (const codec of CODECS) {
  test(`two people meet directly with ${codec.name}, and no media touches the server`, async ({
    server,
    guests,
  }) => {
    await server.createRoom('pair', { codec: codec.preference });
    const [first, second] = [await guests.chromium(ada), await guests.chromium(bo)];
    await first.join(server.origin, 'pair');
    await second.join(server.origin, 'pair');

    for (const guest of [first, second]) {
      await guest.expectTopology('p2p');
      await guest.expectToSee([ada, bo]);
      // Told by the statistics, which are looked at once a second.
      await expect.poll(() => guest.attribute('data-transport')).toBe('webrtc-udp');
    }
    await first.expectToHear([bo]);
    await second.expectToHear([ada]);

    for (const guest of [first, second]) {
      const { codecsReceived, codecsSent, remotes } = await guest.measure();
      expect(codecsReceived).toEqual([codec.name]);
      expect(codecsSent).toEqual([codec.name]);
      expect(remotes.length).toBeGreaterThan(0);
      expect(remotes.filter((remote) => isOfServer(remote, server.port))).toEqual([]);
    }
    expect(await server.carriedMedia()).toBe(0);
  });

  for (const present of [people.slice(0, 3), people]) {
    test(`${present.length} people meet through the server with ${codec.name}`, async ({
      server,
      guests,
    }) => {
      test.setTimeout(240_000);
      await server.createRoom('group', { codec: codec.preference });
      // The browsers of a meeting share this machine: five with large pictures, all of them talking, are more than two
      // processors can carry. As in most meetings, then, the others listen.
      const talking = present.length <= 3 ? present : [ada, bo];
      const everybody = await guests.chromiums(present, {
        viewport: { width: 640, height: 400 },
        scene: present.length <= 3 ? 'flat' : 'small',
      });
      for (const guest of everybody) {
        await guest.join(server.origin, 'group');
        if (!talking.includes(guest.person)) await guest.driver.click(testId('toggle-microphone'));
      }

      for (const guest of everybody) {
        await guest.expectTopology('sfu');
        await guest.expectToSee(present);
      }
      for (const guest of everybody) {
        await guest.expectToHear(talking.filter((person) => person !== guest.person));
        const { codecsReceived, codecsSent } = await guest.measure();
        expect(new Set(codecsReceived)).toEqual(new Set([codec.name]));
        expect(new Set(codecsSent)).toEqual(new Set([codec.name]));
      }
      expect(await server.mediaPackets()).toBeGreaterThan(0);
    });
  }
}

test.describe('with another browser', () => {
  test.use({ reach: 'interfaces' });

  test('Firefox and Chromium meet, directly and through the server', async ({ server, guests }) => {
    test.setTimeout(240_000);
    const chromium = await guests.chromium(ada);
    const firefox = await guests.firefox(bo);
    await chromium.join(server.origin, 'browsers');
    await firefox.join(server.origin, 'browsers');
    await chromium.expectTopology('p2p');
    for (const guest of [chromium, firefox]) await guest.expectToSee([ada, bo]);
    await chromium.expectToHear([bo]);
    expect(await firefox.heardWithin(2_000)).toBeGreaterThan(0.001);

    const third = await guests.chromium(chen);
    await third.join(server.origin, 'browsers');
    for (const guest of [chromium, firefox, third]) {
      await guest.expectTopology('sfu');
      await guest.expectToSee([ada, bo, chen]);
    }
    await chromium.expectToHear([bo, chen]);
    expect(await firefox.heardWithin(2_000)).toBeGreaterThan(0.001);
    // Firefox here has no H.264: everybody speaks what it understands.
    for (const guest of [chromium, third]) {
      await expect.poll(async () => new Set((await guest.measure()).codecsSent)).toContain('VP8');
    }
  });
});

test('a mesh connects everybody with everybody and no media touches the server', async ({
  server,
  guests,
}) => {
  test.setTimeout(180_000);
  await server.createRoom('ring', { topology: 'mesh' });
  const everybody = await guests.chromiums([ada, bo, chen]);
  for (const guest of everybody) await guest.join(server.origin, 'ring');
  for (const guest of everybody) {
    await guest.expectTopology('mesh');
    await guest.expectToSee([ada, bo, chen]);
  }
  await everybody[0]?.expectToHear([bo, chen]);
  for (const guest of everybody) {
    const { remotes } = await guest.measure();
    expect(remotes.filter((remote) => isOfServer(remote, server.port))).toEqual([]);
  }
  expect(await server.carriedMedia()).toBe(0);
});

test('two people in a room that goes through the server', async ({ server, guests }) => {
  await server.createRoom('relayed', { topology: 'sfu' });
  const [first, second] = [await guests.chromium(dalia), await guests.chromium(emeka)];
  await first.join(server.origin, 'relayed');
  await second.join(server.origin, 'relayed');
  for (const guest of [first, second]) {
    await guest.expectTopology('sfu');
    await guest.expectToSee([dalia, emeka]);
  }
  await first.expectToHear([emeka]);
  const { remotes } = await first.measure();
  expect(remotes.some((remote) => remote.endsWith(`:${server.port}`))).toBe(true);
});
