import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RoomOptions } from '../../src/core/proto.ts';
import { program } from './paths.ts';

/** How long a debug build on a busy machine may take to answer. */
const START_MS = 30_000;
const STOP_MS = 20_000;

/** From where the server can be reached: Firefox speaks no WebRTC with a loopback address of another. */
export type Reach = 'loopback' | 'interfaces';

/** Where a server runs, and how the tests themselves reach it there. */
export interface Place {
  /** What browsers put before a path. */
  readonly origin: string;
  readonly port: number;
  /** Options of the program. */
  readonly options: readonly string[];
  start(command: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess;
  /** Never throws for an answer that says no, and throws when there is none. */
  fetch(path: string, request?: RequestInit): Promise<Pick<Response, 'ok' | 'status' | 'text'>>;
}

/** On this machine: a secure context, for browsers trust loopback without TLS. */
async function thisMachine(reach: Reach, announced?: string): Promise<Place> {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    port,
    options:
      reach === 'loopback'
        ? ['--listen', `127.0.0.1:${port}`, '--public-address', announced ?? '127.0.0.1']
        : ['--listen', `[::]:${port}`, ...(announced === undefined ? [] : ['--public-address', announced])],
    start: (command, args, env) => spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env }),
    fetch: (path, request) => fetch(`${origin}${path}`, request),
  };
}

/** A server of its own for a test: free port, empty data directory. */
export class Server {
  #process: ChildProcess | null = null;
  #log = '';
  readonly #data = mkdtempSync(join(tmpdir(), 'conclave-e2e-'));

  private constructor(private readonly place: Place) {}

  /** `announced`: where browsers are told to send media, if not to where the server listens. */
  static async launch(reach: Reach = 'loopback', announced?: string): Promise<Server> {
    return Server.launchAt(await thisMachine(reach, announced));
  }

  static async launchAt(place: Place): Promise<Server> {
    const server = new Server(place);
    await server.start();
    return server;
  }

  get origin(): string {
    return this.place.origin;
  }

  get port(): number {
    return this.place.port;
  }

  /** What the server has logged so far. */
  get log(): string {
    return this.#log;
  }

  /** SIGTERM, and waits for the end. Returns the exit code. */
  async terminate(): Promise<number | null> {
    return await this.#end('SIGTERM');
  }

  async remove(): Promise<void> {
    await this.#end('SIGTERM');
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** What the server's owner finds in its data directory. */
  get adminToken(): string {
    return readFileSync(join(this.#data, 'admin-token'), 'utf8').trim();
  }

  /** A request of the administrator. */
  async request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.place.fetch(`/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : (JSON.parse(text) as unknown);
  }

  /** Makes a room before anybody comes, with options other than the default. */
  async createRoom(name: string, options: Partial<RoomOptions>): Promise<void> {
    await this.request('POST', '/rooms', { name, options });
  }

  /** Datagrams that the media plane has received and sent so far. */
  mediaPackets(): Promise<number> {
    return this.metric('conclave_media_packets_total');
  }

  /** Legs that the media plane has had, and RTP packets that it has passed on, so far. */
  async carriedMedia(): Promise<number> {
    return (
      (await this.metric('conclave_media_connected_total')) +
      (await this.metric('conclave_media_forwarded_total'))
    );
  }

  /** The metrics whose name starts so, summed over their labels. */
  async metric(name: string): Promise<number> {
    const text = await (await this.place.fetch('/metrics')).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(name) && /^[ {]/.test(line.slice(name.length)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** Starts the program, again on the same data if it ran before, and waits until it is ready. */
  async start(): Promise<void> {
    const child = this.place.start(program, ['serve', ...this.place.options, '--data', this.#data], {
      ...process.env,
      CONCLAVE_LOG: process.env.E2E_LOG ?? 'info',
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
    }
    const deadline = Date.now() + START_MS;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}:\n${this.#log}`);
      const ready = await this.place.fetch('/readyz').then(
        (response) => response.ok,
        () => false,
      );
      if (ready) return;
      if (Date.now() > deadline)
        throw new Error(`the server is not ready after ${START_MS} ms:\n${this.#log}`);
      await sleep(50);
    }
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#process;
    if (child === null) return null;
    this.#process = null;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      const [, killedBy] = await ended;
      clearTimeout(timer);
      if (killedBy === 'SIGKILL')
        throw new Error(`the server did not end within ${STOP_MS} ms:\n${this.#log}`);
    }
    return child.exitCode;
  }
}

/** A port that is free for TCP and for UDP. */
export async function freePort(): Promise<number> {
  for (;;) {
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const { port } = tcp.address() as { port: number };
    const udp = createSocket('udp4');
    const free = await new Promise<boolean>((done) => {
      udp.once('error', () => done(false));
      udp.bind(port, '127.0.0.1', () => done(true));
    });
    udp.close();
    tcp.close();
    await once(tcp, 'close');
    if (free) return port;
  }
}
