/** Three people meet through the server; the third comes from each kind of network. */
import { ada, bo, chen } from '../support/people.ts';
import { expect, test } from './support/fixtures.ts';
import type { Way } from './support/path.ts';
import { inWords, type Network } from './support/rules.ts';
import { record } from './support/table.ts';

const CASES: readonly { network: Network; way: Way }[] = [
  { network: 'open', way: 'udp' },
  { network: 'symmetric', way: 'udp' },
  { network: 'udp-limited', way: 'udp' },
  { network: 'udp-blocked', way: 'tcp' },
  { network: 'only-tcp-443', way: 'tcp' },
  { network: 'only-tls-443', way: 'turn-tls' },
];

for (const { network, way } of CASES) {
  test(`a room of three: ${inWords[network]}`, async ({ world, guests }) => {
    const room = `room-${network}`;
    const everybody = [await guests.arrive(ada), await guests.arrive(bo), await guests.arrive(chen)] as const;
    const [first, second, third] = everybody;
    second.home.use('port-restricted');
    third.home.use(network);
    await first.join(world.server.origin, room, { topology: 'sfu' });
    await second.join(world.server.origin, room);
    const firstFrameMs = await third.joinAndSee(world.server.origin, room, ada);
    for (const guest of everybody) {
      await guest.expectTopology('sfu');
      await guest.expectToSee([ada, bo, chen]);
    }
    await first.expectWay('udp');
    await second.expectWay('udp');
    const pair = await third.expectWay(way);
    // What is heard and seen at first may be less: more is tried soon.
    if (network === 'udp-limited')
      await expect
        .poll(() => third.home.limited(), { message: 'packets beyond the limit', timeout: 30_000 })
        .toBeGreaterThan(0);
    record({ kind: 'room', networks: [network], ways: [way], pairs: [pair], firstFrameMs });
  });
}

test('Firefox behind a symmetric NAT meets Chromium through the server', async ({ world, guests }) => {
  const room = 'room-firefox';
  const first = await guests.arrive(ada);
  const firefox = await guests.arriveWithFirefox(bo);
  firefox.home.use('symmetric');
  await first.join(world.server.origin, room, { topology: 'sfu' });
  await firefox.join(world.server.origin, room);
  for (const guest of [first, firefox]) await guest.expectToSee([ada, bo]);
  await firefox.expectWay('udp');
});
