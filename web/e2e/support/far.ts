import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import type { Reach } from './server.ts';

/** What the way does to what comes back from the server. */
export interface Weather {
  /** Milliseconds that it takes longer. */
  readonly delay: number;
  /** Share of packets that is lost. */
  readonly loss: number;
}

/**
 * Carries UDP between browsers and a server that is far away, by a bad way: where the system's own emulation of
 * networks (`tc netem`) need not be there.
 */
export class FarWay {
  /** By browser's port: where the server sees it. */
  readonly #browsers = new Map<number, Socket>();
  #target = 0;
  #weather: Weather = { delay: 0, loss: 0 };
  /** Which packets are lost is the same in each run. */
  #random = 1;

  private constructor(
    private readonly entrance: Socket,
    private readonly host: string,
  ) {
    entrance.on('message', (packet, { port }) => this.#serverSide(port).send(packet, this.#target, host));
  }

  /** Between browsers of this machine and a server of this machine. */
  static async open(reach: Reach): Promise<FarWay> {
    const host = reach === 'loopback' ? '127.0.0.1' : ownAddress();
    const entrance = createSocket('udp4').bind(0, host);
    await once(entrance, 'listening');
    return new FarWay(entrance, host);
  }

  /** What the server has to announce. */
  get address(): string {
    return `${this.host}:${this.entrance.address().port}`;
  }

  leadTo(port: number): void {
    this.#target = port;
  }

  turn(weather: Weather): void {
    this.#weather = weather;
  }

  close(): void {
    for (const socket of [this.entrance, ...this.#browsers.values()]) socket.close();
    this.#browsers.clear();
  }

  #serverSide(browser: number): Socket {
    const known = this.#browsers.get(browser);
    if (known) return known;
    const socket = createSocket('udp4');
    socket.on('message', (packet) => {
      const { delay, loss } = this.#weather;
      this.#random = (this.#random * 48_271) % 0x7fff_ffff;
      if (this.#random / 0x7fff_ffff < loss) return;
      setTimeout(() => {
        if (this.#browsers.has(browser)) this.entrance.send(packet, browser, this.host);
      }, delay);
    });
    this.#browsers.set(browser, socket);
    return socket;
  }
}

/** An address by which other machines would reach this one. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (own === undefined) throw new Error('this machine has no address but loopback');
  return own.address;
}
