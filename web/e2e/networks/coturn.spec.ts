/** An independent implementation on the other side: coturn's client against our TURN, our client through coturn. */
import { ada, bo } from '../support/people.ts';
import { Server } from '../support/server.ts';
import { Coturn, uclient, type TurnServer } from './support/coturn.ts';
import { expect, test } from './support/fixtures.ts';
import type { Guest } from './support/guest.ts';
import { onHost } from './support/place.ts';

const MESSAGES = 200;
const BYTES = 1_000;

test("coturn's client relays through our TURN over UDP, TCP and TLS, and no packet is lost", async ({
  world,
  guests,
}) => {
  const [first, second] = [await guests.arrive(ada), await guests.arrive(bo)];
  await first.join(world.server.origin, 'turn');
  await second.join(world.server.origin, 'turn');
  await first.expectToSee([ada, bo]);
  // What a participant was given when they joined, for as long as they are there.
  const servers = await turnServers(first);
  expect(servers.map(({ over }) => over).sort()).toEqual(['tcp', 'tls', 'udp']);
  for (const server of servers) {
    for (const send of ['channels', 'indications'] as const) {
      const result = uclient(first.home.machine, server, { messages: MESSAGES, bytes: BYTES, send });
      expect(result, `${server.over}, ${send}`).toEqual({ sent: 2 * MESSAGES, received: 2 * MESSAGES });
    }
  }
});

test.describe('through a real coturn', () => {
  let coturn: Coturn | null = null;
  let server: Server | null = null;

  test.beforeAll(async ({ world }) => {
    coturn = await Coturn.launch(world.internet.host('coturn'), 'a secret of the tests');
    server = await Server.launchAt(await onHost(world.internet.host('server-2'), coturn.options));
  });

  test.afterAll(async () => {
    await server?.remove();
    coturn?.remove();
  });

  for (const [topology, call] of [
    ['p2p', 'a direct call'],
    ['sfu', 'a call through the server'],
  ] as const) {
    test(`${call} of two who reach nothing but coturn and, by TLS only, the server`, async ({ guests }) => {
      if (server === null || coturn === null) throw new Error('started before all tests');
      const [first, second] = [await guests.arrive(ada, server), await guests.arrive(bo, server)];
      for (const { home } of [first, second]) home.use('only-tls-443', coturn.address);
      await first.join(server.origin, call, { topology });
      await second.join(server.origin, call);
      for (const guest of [first, second]) {
        await guest.expectTopology(topology);
        await guest.expectToSee([ada, bo]);
        const { relayUrl } = await guest.expectWay('turn-udp');
        expect(relayUrl).toContain(coturn.address);
      }
    });
  }
});

/** The TURN servers of a person's connection, as the page was told of them. */
async function turnServers({ driver }: Guest): Promise<TurnServer[]> {
  const servers = await driver.evaluate(
    () =>
      window.conclaveProbe.connections
        .find((connection) => connection.connectionState === 'connected')
        ?.getConfiguration().iceServers ?? [],
    undefined,
  );
  return servers.flatMap(({ urls, username = '', credential = '' }) =>
    [urls].flat().flatMap((url) => {
      const [, scheme, host, transport] = /^(turns?):(.*):\d+\?transport=(udp|tcp)$/.exec(url) ?? [];
      if (scheme === undefined || host === undefined) return [];
      const over = scheme === 'turns' ? 'tls' : transport === 'tcp' ? 'tcp' : 'udp';
      return [{ over, host, username, credential } satisfies TurnServer];
    }),
  );
}
