/** Why a connection does not come to be: what was tried on each rung, and what came of it. */
import type { Rung } from './ladder';
import { RUNGS, isRelay, rungOfUrl } from './ladder';
import type { IceServer } from './proto';
import type { PairSample } from './stats';
import { readPairs, readRelays } from './stats';

/**
 * - `untried`: there was nothing to try, or it was not to be tried.
 * - `silent`: tried, and nothing came back (whether somebody refused or dropped it cannot be told from here).
 * - `answered`: something came back on it, yet no connection came of it.
 * - `no-relay`: the TURN server gave no relay: it was not reached, as far as the browser says.
 * - `refused`: the TURN server answered with an error.
 * - `relay-silent`: there was a relay, and nothing came through it.
 */
export type Outcome = 'untried' | 'silent' | 'answered' | 'no-relay' | 'refused' | 'relay-silent';

export interface Attempt {
  readonly rung: Rung;
  readonly outcome: Outcome;
  /** For `refused`: the error of RFC 8489 or RFC 8656. */
  readonly code: number | null;
}

/** An `icecandidateerror`: an answer of a STUN or TURN server, or 701, for which there was none. */
export interface ServerError {
  readonly url: string;
  readonly code: number;
}

/** W3C WebRTC, section 4.8.2: the server could not be reached. Codes from here on are the browser's own. */
const UNREACHED = 701;

export interface Tried {
  /** The rungs of which the other end has given candidates. */
  readonly direct: ReadonlySet<Rung>;
  readonly servers: readonly IceServer[];
  readonly pairs: readonly PairSample[];
  readonly relays: ReadonlySet<Rung>;
  readonly errors: readonly ServerError[];
}

/** Best rung first. */
export function judgeAttempts(tried: Tried): Attempt[] {
  return RUNGS.map((rung) => {
    const code = refusalOf(rung, tried.errors);
    return { rung, outcome: outcomeOf(rung, tried, code), code };
  });
}

function outcomeOf(rung: Rung, { direct, servers, pairs, relays }: Tried, code: number | null): Outcome {
  const own = pairs.filter((pair) => pair.rung === rung);
  if (own.some((pair) => pair.answered)) return 'answered';
  if (!isRelay(rung)) return direct.has(rung) || own.length > 0 ? 'silent' : 'untried';
  if (relays.has(rung)) return 'relay-silent';
  if (code !== null) return 'refused';
  const offered = servers.some(({ urls }) => urls.some((url) => rungOfUrl(url) === rung));
  return offered ? 'no-relay' : 'untried';
}

/** The error with which the TURN server of a rung has answered, if it has. */
export function refusalOf(rung: Rung, errors: readonly ServerError[]): number | null {
  const own = errors.filter(({ url, code }) => rungOfUrl(url) === rung && code < UNREACHED);
  return own.at(-1)?.code ?? null;
}

/** The rungs of which a description has candidates (RFC 8839, section 5.1). */
export function candidateRungs(sdp: string): Set<Rung> {
  const transports = [...sdp.matchAll(/^a=candidate:\S+ \d+ (\w+) /gm)].map(([, name]) =>
    name?.toLowerCase(),
  );
  return new Set(transports.map((name) => (name === 'udp' ? 'webrtc-udp' : 'webrtc-tcp')));
}

/** Most errors kept: one for each server and network interface is usual. */
const MOST_ERRORS = 64;

/** Listens to a connection from its start, to explain it should it fail. */
export class Diagnosis {
  readonly #connection: RTCPeerConnection;
  #errors: ServerError[] = [];

  constructor(connection: RTCPeerConnection) {
    this.#connection = connection;
    connection.addEventListener('icecandidateerror', (error) => {
      this.#errors = [...this.#errors, { url: error.url, code: error.errorCode }].slice(-MOST_ERRORS);
    });
  }

  get errors(): readonly ServerError[] {
    return this.#errors;
  }

  /** What has been tried so far. Rejects for a connection that the browser has forgotten. */
  async attempts(servers: readonly IceServer[]): Promise<Attempt[]> {
    const report = await this.#connection.getStats();
    const relaysOnly = this.#connection.getConfiguration().iceTransportPolicy === 'relay';
    return judgeAttempts({
      direct: relaysOnly ? new Set() : candidateRungs(this.#connection.remoteDescription?.sdp ?? ''),
      servers,
      pairs: readPairs(report),
      relays: readRelays(report),
      errors: this.#errors,
    });
  }
}
