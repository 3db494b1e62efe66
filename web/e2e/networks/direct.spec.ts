/** Two people call each other directly, whatever network each of them has. */
import { ada, bo } from '../support/people.ts';
import { expect, test } from './support/fixtures.ts';
import { inWords, type Network } from './support/rules.ts';
import type { Promised } from './support/path.ts';
import { record } from './support/table.ts';

interface Case {
  networks: readonly [Network, Network];
  /** How the media of each leaves their browser. */
  ways: readonly [Promised, Promised];
}

const direct = ['udp', 'udp'] as const;
const relayed = ['turn', 'turn'] as const;

const CASES: readonly Case[] = [
  { networks: ['open', 'open'], ways: direct },
  { networks: ['open', 'full-cone'], ways: direct },
  { networks: ['open', 'port-restricted'], ways: direct },
  { networks: ['open', 'symmetric'], ways: direct },
  { networks: ['full-cone', 'full-cone'], ways: direct },
  { networks: ['full-cone', 'port-restricted'], ways: direct },
  { networks: ['full-cone', 'symmetric'], ways: direct },
  { networks: ['port-restricted', 'port-restricted'], ways: direct },
  // Neither can tell the other where to send to: what the symmetric one has learnt of itself is true for the
  // server only, and the other one lets in only those whom it has sent to.
  { networks: ['port-restricted', 'symmetric'], ways: relayed },
  { networks: ['symmetric', 'symmetric'], ways: relayed },
  { networks: ['open', 'udp-limited'], ways: direct },
  { networks: ['open', 'udp-blocked'], ways: ['turn', 'turn-stream'] },
  { networks: ['open', 'only-tcp-443'], ways: ['turn', 'turn-stream'] },
  { networks: ['open', 'only-tls-443'], ways: ['turn', 'turn-tls'] },
  { networks: ['udp-blocked', 'only-tls-443'], ways: ['turn-stream', 'turn-tls'] },
];

for (const { networks, ways } of CASES) {
  test(`a direct call: ${inWords[networks[0]]} and ${inWords[networks[1]]}`, async ({ world, guests }) => {
    const room = `direct-${networks.join('-')}`;
    const [first, second] = [await guests.arrive(ada), await guests.arrive(bo)];
    first.home.use(networks[0]);
    second.home.use(networks[1]);
    await first.join(world.server.origin, room);
    const firstFrameMs = await second.joinAndSee(world.server.origin, room, ada);
    for (const guest of [first, second]) {
      await guest.expectTopology('p2p');
      await guest.expectToSee([ada, bo]);
    }
    const pairs = [await first.expectWay(ways[0]), await second.expectWay(ways[1])];
    for (const guest of [first, second]) expect(await guest.attribute('data-topology')).toBe('p2p');
    if (networks[1] === 'udp-limited')
      expect(second.home.limited(), 'packets beyond the limit').toBeGreaterThan(0);
    record({ kind: 'direct', networks, ways, pairs, firstFrameMs });
  });
}
