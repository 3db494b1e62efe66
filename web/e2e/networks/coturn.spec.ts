/** An independent implementation on the other side: coturn's client against our TURN, our client through coturn. */
import { ada, bo } from '../support/people.ts';
import { Server } from '../support/server.ts';
import { Coturn, uclient, type TurnServer } from './support/coturn.ts';
import { expect, test } from './support/fixtures.ts';
import type { Guest } from './support/guest.ts';
import { onHost } from './support/place.ts';

const BYTES = 1_000;
/** Of several messages in one TLS record, coturn's client reads only the first: there they come one by one. */
const PACE = {
  udp: { messages: 100, intervalMs: 10 },
  tcp: { messages: 100, intervalMs: 10 },
  tls: { messages: 25, intervalMs: 200 },
} as const;

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
    const pace = PACE[server.over];
    const result = await uclient(first.home.machine, server, { ...pace, bytes: BYTES });
    expect(result, server.over).toEqual({ sent: 2 * pace.messages, received: 2 * pace.messages });
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
    const room = `coturn-${topology}`;
    test(`${call} of two who reach nothing but coturn and, by TLS only, the server`, async ({ guests }) => {
      if (server === null || coturn === null) throw new Error('started before all tests');
      const [first, second] = [await guests.arrive(ada, server), await guests.arrive(bo, server)];
      for (const { home } of [first, second]) home.use('only-tls-443', `${coturn.address} . ${Coturn.PORT}`);
      // Of the relays that they could use, this rung leaves only coturn's.
      const transport = 'webrtc-turn-udp';
      await first.join(server.origin, room, { topology, transport });
      await second.join(server.origin, room, { transport });
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
