/** The networks of these tests are what they are called: otherwise every other result here means nothing. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ada } from '../support/people.ts';
import { expect, test } from './support/fixtures.ts';
import type { Host } from './support/internet.ts';
import type { Namespace } from './support/namespace.ts';
import { inWords, type Network } from './support/rules.ts';

const script = (name: string) => fileURLToPath(new URL(`./support/${name}`, import.meta.url));

/** How many hosts are reached, the number of ports under which they see one socket, and who else may answer. */
const UDP: readonly [Network, { hosts: number; ports: number; others: number }][] = [
  ['open', { hosts: 2, ports: 1, others: 2 }],
  ['full-cone', { hosts: 2, ports: 1, others: 2 }],
  ['port-restricted', { hosts: 2, ports: 1, others: 0 }],
  ['symmetric', { hosts: 2, ports: 2, others: 0 }],
  ['udp-limited', { hosts: 2, ports: 1, others: 0 }],
  ['udp-blocked', { hosts: 0, ports: 0, others: 0 }],
  ['only-tcp-443', { hosts: 0, ports: 0, others: 0 }],
  ['only-tls-443', { hosts: 0, ports: 0, others: 0 }],
];

const HELLO = '16030100050100000100';
const HTTP = Buffer.from('GET / HTTP/1.1\r\n').toString('hex');
/** A STUN message framed as ICE-TCP frames it (RFC 4571). */
const STUN = '0014000100002112a442000000000000000000000000';

/** What becomes of connections to port 443 that begin so, and of one to another port. */
const TCP: readonly [Network, { tls: string; http: string; stun: string; elsewhere: string }][] = [
  ['symmetric', { tls: 'answered', http: 'answered', stun: 'answered', elsewhere: 'answered' }],
  ['udp-blocked', { tls: 'answered', http: 'answered', stun: 'answered', elsewhere: 'answered' }],
  ['only-tcp-443', { tls: 'answered', http: 'answered', stun: 'answered', elsewhere: 'silence' }],
  ['only-tls-443', { tls: 'answered', http: 'reset', stun: 'reset', elsewhere: 'silence' }],
];

test('every kind of network treats UDP and TCP as its name says', async ({ world, guests }) => {
  const [one, two] = [world.internet.host('reflector-1'), world.internet.host('reflector-2')];
  for (const { machine } of [one, two]) await started(machine, [script('reflect.mjs')]);
  for (const port of [443, 8443]) await started(one.machine, ['--eval', echo(port)]);
  const { home } = await guests.arrive(ada);

  for (const [network, expected] of UDP) {
    home.use(network);
    const found = node(home.machine, 'nat-kind.mjs', [one.address, two.address]);
    expect(JSON.parse(found), inWords[network]).toEqual(expected);
  }
  for (const [network, expected] of TCP) {
    home.use(network);
    const begin = (port: number, hex: string) =>
      node(home.machine, 'tcp-kind.mjs', [one.address, String(port), hex]).trim();
    const found = {
      tls: begin(443, HELLO),
      http: begin(443, HTTP),
      stun: begin(443, STUN),
      elsewhere: begin(8443, HELLO),
    };
    expect(found, inWords[network]).toEqual(expected);
  }
});

function node(machine: Namespace, name: string, args: readonly string[]): string {
  return machine.run(process.execPath, [script(name), ...args]);
}

async function started(machine: Host['machine'], args: readonly string[]): Promise<void> {
  const child = machine.spawn(process.execPath, args);
  if (child.stdout !== null) await once(child.stdout, 'data');
}

function echo(port: number): string {
  return `require('node:net').createServer((socket) => socket.pipe(socket).on('error', () => socket.destroy()))
    .listen(${port}, () => console.log('ready'));`;
}
