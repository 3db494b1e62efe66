import type { Clock } from './clock';
import type { Rung } from './ladder';
import { isRelay, mayUse, restrict, serversFor, serversToSfu } from './ladder';
import type { ClientMessage, IceConfig, IceServer, Reply } from './proto';

/** Renewed so long before the end, in milliseconds: gathering takes a while, and clocks differ. */
const RENEW_BEFORE_MS = 30_000;

/** Who is at the other end of a connection: another page, or the server itself. */
export type FarEnd = 'peer' | 'sfu';

/** What connections need of the ladder. */
export interface Ice {
  /** Resolves when the servers may be asked for new relays; with the old ones if there are no others to be had. */
  renew(): Promise<void>;
  /** Lets a connection use the servers for what it gathers next. */
  configure(connection: RTCPeerConnection, farEnd: FarEnd): void;
  /** The other end's description without the candidates that a preset rules out. */
  restrict(sdp: string): string;
  /** Whether a preset lets a candidate of the other end be used. */
  mayUse(candidate: string): boolean;
  /** Those that connections are configured with, to tell what was tried. */
  serversTo(farEnd: FarEnd): readonly IceServer[];
}

export interface IceEnvironment {
  clock: Clock;
  /** Under which the page reaches the server, as its URL has it. */
  serverHost: string;
  request(message: ClientMessage): Promise<Reply>;
}

/** STUN and TURN servers of one session. Their credentials run out; relays that exist do not. */
export class IceServers implements Ice {
  readonly #environment: IceEnvironment;
  /** The only rung that may be used, for those who test theirs. */
  readonly #rung: Rung | null;
  #servers: Readonly<Record<FarEnd, readonly IceServer[]>> = { peer: [], sfu: [] };
  /** On the clock. Nothing to renew is never too old. */
  #goodUntil = Infinity;
  #renewing: Promise<void> | null = null;
  /** What each connection was given last: the same again would make some browsers restart ICE. */
  readonly #given = new WeakMap<RTCPeerConnection, readonly IceServer[]>();

  constructor(rung: Rung | null, environment: IceEnvironment) {
    this.#rung = rung;
    this.#environment = environment;
  }

  serversTo(farEnd: FarEnd): readonly IceServer[] {
    return this.#servers[farEnd];
  }

  take({ servers, lifetimeS }: IceConfig): void {
    const peer = serversFor(this.#rung, servers);
    this.#servers = { peer, sfu: serversToSfu(this.#rung, peer, this.#environment.serverHost) };
    const lifetime = lifetimeS * 1_000;
    this.#goodUntil =
      servers.length === 0
        ? Infinity
        : this.#environment.clock.now() + lifetime - Math.min(RENEW_BEFORE_MS, lifetime / 4);
  }

  renew(): Promise<void> {
    if (this.#environment.clock.now() < this.#goodUntil) return Promise.resolve();
    // Many connections ask at once when the network changes.
    this.#renewing ??= this.#ask().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #ask(): Promise<void> {
    try {
      const reply = await this.#environment.request({ type: 'get-ice-servers', body: {} });
      if (reply.type === 'ice-servers') this.take(reply.ice);
    } catch {
      // Without new relays there is still every way that needs none.
    }
  }

  configure(connection: RTCPeerConnection, farEnd: FarEnd): void {
    const servers = this.#servers[farEnd];
    if (this.#given.get(connection) === servers) return;
    this.#given.set(connection, servers);
    const before = connection.getConfiguration();
    const iceTransportPolicy = this.#rung !== null && isRelay(this.#rung) ? 'relay' : 'all';
    const set = (iceServers: readonly IceServer[]): boolean => {
      try {
        connection.setConfiguration({ ...before, iceTransportPolicy, iceServers: [...iceServers] });
        return true;
      } catch {
        return false;
      }
    };
    // An administrator's address that this browser cannot read must not cost the call the others.
    if (!set(servers)) set(singleUrls(servers).filter((server) => set([server])));
  }

  restrict(sdp: string): string {
    return restrict(this.#rung, sdp);
  }

  mayUse(candidate: string): boolean {
    return mayUse(this.#rung, candidate);
  }
}

function singleUrls(servers: readonly IceServer[]): IceServer[] {
  return servers.flatMap((server) => server.urls.map((url) => ({ ...server, urls: [url] })));
}
