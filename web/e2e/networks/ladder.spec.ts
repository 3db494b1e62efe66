/** Each rung of the ladder to the server carries a call, also those that better ones hide: the link may ask for one. */
import { ada, bo } from '../support/people.ts';
import { test } from './support/fixtures.ts';
import type { Way } from './support/path.ts';

const RUNGS: readonly Way[] = ['udp', 'tcp', 'turn-udp', 'turn-tcp', 'turn-tls'];

for (const way of RUNGS) {
  test(`a link that asks for webrtc-${way} gets it, and nothing else`, async ({ world, guests }) => {
    const [first, second] = [await guests.arrive(ada), await guests.arrive(bo)];
    await first.join(world.server.origin, `rung-${way}`, { topology: 'sfu' });
    await second.join(world.server.origin, `rung-${way}`, { transport: `webrtc-${way}` });
    for (const guest of [first, second]) await guest.expectToSee([ada, bo]);
    await first.expectWay('udp');
    await second.expectWay(way);
  });
}
