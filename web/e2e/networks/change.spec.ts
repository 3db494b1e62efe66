/** Somebody leaves the Wi-Fi in the middle of a call: other interface, other address, other NAT. */
import { ada, bo } from '../support/people.ts';
import { expect, test } from './support/fixtures.ts';
import type { Guest } from './support/guest.ts';

/** Finding out, a new signalling connection, an ICE restart: what a person would wait for without reloading. */
const BACK_MS = 15_000;

for (const topology of ['p2p', 'sfu'] as const) {
  test(`from Wi-Fi to phone and back in a call (${topology}): pictures come back by themselves`, async ({
    world,
    guests,
  }) => {
    test.setTimeout(120_000);
    const room = `move-${topology}`;
    const [first, second] = [await guests.arrive(ada), await guests.arrive(bo)];
    first.home.use('port-restricted');
    second.home.use('port-restricted');
    await first.join(world.server.origin, room, { topology });
    await second.join(world.server.origin, room);
    for (const guest of [first, second]) {
      await guest.expectTopology(topology);
      await guest.expectToSee([ada, bo]);
      await guest.expectWay('udp');
    }
    const session = await sessionOf(first);

    try {
      for (const [move, to] of [
        [() => first.home.moveToPhone('full-cone'), 'phone'],
        [() => first.home.moveBack(), 'Wi-Fi'],
      ] as const) {
        const moved = Date.now();
        move();
        for (const [guest, other] of [
          [first, bo],
          [second, ada],
        ] as const) {
          await guest.expectMovingPicture(other, 'camera', BACK_MS);
          await guest.expectState('connected');
          await guest.expectTopology(topology);
          await guest.expectWay('udp');
        }
        for (const [guest, other] of [
          [first, bo],
          [second, ada],
        ] as const) {
          const gap = (await guest.framesSince(moved)).get(`${other.name}/camera`)?.longestGapMs;
          console.log(
            `    ${topology}, to ${to}: ${other.name}'s picture stood still at ${guest.name}: ${gap} ms`,
          );
          expect(gap).toBeLessThan(BACK_MS);
        }
        expect(await sessionOf(first), 'the same page, the same participant').toEqual(session);
      }
    } finally {
      first.home.moveBack();
    }
  });
}

/** What would differ after a reload, or after having joined as somebody new. */
function sessionOf(guest: Guest): Promise<{ page: number; participant: string }> {
  return guest.driver.evaluate(
    (name) => ({
      page: performance.timeOrigin,
      participant:
        document.querySelector<HTMLElement>(`[data-testid=tile][data-name="${name}"]`)?.dataset.participant ??
        '',
    }),
    guest.name,
  );
}
