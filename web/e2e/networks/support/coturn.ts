/** coturn: an independent TURN client against our server, and an independent server for our client. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Host } from './internet.ts';
import type { Namespace } from './namespace.ts';

const START_MS = 10_000;

export interface TurnServer {
  /** `udp`, `tcp` or `tls`: how the client speaks to the server. */
  readonly over: 'udp' | 'tcp' | 'tls';
  readonly host: string;
  readonly username: string;
  readonly credential: string;
}

export interface UclientResult {
  sent: number;
  received: number;
}

/**
 * Runs `turnutils_uclient`: a pair of clients allocate a relay each and send to each other's. By indications: for
 * channels it takes numbers from all that RFC 5766 allowed, of which RFC 8656 (section 12) has left a quarter.
 */
export async function uclient(
  machine: Namespace,
  server: TurnServer,
  { messages, intervalMs, bytes }: { messages: number; intervalMs: number; bytes: number },
): Promise<UclientResult> {
  const flags = { udp: [], tcp: ['-t'], tls: ['-t', '-S'] }[server.over];
  const { code, output } = await machine.attempt('turnutils_uclient', [
    ...flags,
    // By indications, client to client, without a second relay for RTCP.
    ...['-s', '-y', '-c', '-m', '2', '-z', String(intervalMs), '-n', String(messages), '-l', String(bytes)],
    ...['-u', server.username, '-w', server.credential, '-p', '443', server.host],
  ]);
  if (code !== 0) throw new Error(`turnutils_uclient ended with ${code}: ${output}`);
  // It reports as it goes: the last figures are the totals.
  const total = (name: string) =>
    Number([...output.matchAll(new RegExp(`tot_${name}_msgs=(\\d+)`, 'g'))].at(-1)?.[1] ?? 0);
  return { sent: total('send'), received: total('recv') };
}

/** A `turnserver` on a host, with the secret of the TURN REST form. */
export class Coturn {
  static readonly PORT = 3478;
  readonly #scratch = mkdtempSync(join(tmpdir(), 'conclave-coturn-'));

  private constructor(
    readonly address: string,
    private readonly secret: string,
  ) {}

  static async launch({ machine, address }: Host, secret: string): Promise<Coturn> {
    const coturn = new Coturn(address, secret);
    const child = machine.spawn('turnserver', [
      ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--log-file=stdout', '--simple-log', '--verbose'],
      ...[`--pidfile=${coturn.#scratch}/pid`, `--userdb=${coturn.#scratch}/db`],
      ...[`--listening-ip=${address}`, `--relay-ip=${address}`, `--listening-port=${Coturn.PORT}`],
      ...['--realm=coturn.example', '--use-auth-secret', `--static-auth-secret=${secret}`],
    ]);
    let log = '';
    await new Promise<void>((ready, failed) => {
      const fail = (why: string) => failed(new Error(`coturn ${why}:\n${log}`));
      const timer = setTimeout(() => fail('is not ready'), START_MS);
      child.once('exit', (code) => fail(`ended with ${code}`));
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          log += chunk.toString();
          if (!/UDP listener opened/.test(log)) return;
          clearTimeout(timer);
          ready();
        });
      }
    });
    return coturn;
  }

  /** The options of a server that sends its people here. */
  get options(): string[] {
    return [
      ...['--ice-server', `turn:${this.address}:${Coturn.PORT}?transport=udp`],
      ...['--ice-secret', this.secret],
    ];
  }

  remove(): void {
    rmSync(this.#scratch, { recursive: true, force: true });
  }
}
