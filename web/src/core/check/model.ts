/** What the connectivity check shows. */
import type { ProtocolError } from '../proto';

/** Everything that is tested, in the order in which it is shown. */
export const CHECK_RUNGS = ['page', 'websocket', 'udp', 'tcp', 'turn-udp', 'turn-tcp', 'turn-tls'] as const;
export type CheckRung = (typeof CHECK_RUNGS)[number];

/** The rungs that carry sound and picture; a meeting uses the first one that works. */
export const MEDIA_RUNGS = ['udp', 'tcp', 'turn-udp', 'turn-tcp', 'turn-tls'] as const;
export type MediaRung = (typeof MEDIA_RUNGS)[number];

/** `unknown`: it could not be tested, which says nothing about the network. */
export type RungState = 'waiting' | 'running' | 'works' | 'fails' | 'unknown';

/**
 * - `no-answer`: tried for as long as a person would wait.
 * - `closed`: the connection was refused or cut.
 * - `no-relay`: the TURN server was not reached, as far as the browser says.
 * - `refused`: somebody answered with an error, whose number is `code`.
 * - `nothing-through`: a relay was there, and nothing came through it.
 * - `not-offered`: this server has none.
 * - `busy`: the server takes no more checks now.
 * - `no-server`: needs the server, which does not answer.
 * - `no-webrtc`: this browser has none, or it is switched off.
 * - `failed`: the browser refused a step that is no matter of the network.
 */
export type FailureKind =
  | 'no-answer'
  | 'closed'
  | 'no-relay'
  | 'refused'
  | 'nothing-through'
  | 'not-offered'
  | 'busy'
  | 'no-server'
  | 'no-webrtc'
  | 'failed';

/** What was measured of a rung that works. */
export interface Measured {
  /** Until it could be used, in milliseconds. */
  readonly timeMs: number;
  /** To the server and back, in milliseconds; null when the browser does not say. */
  readonly roundTripMs: number | null;
  /** 0 to 1; null where packets are not counted, or cannot be lost. */
  readonly loss: number | null;
}

export interface RungView {
  readonly name: CheckRung;
  readonly state: RungState;
  readonly measured: Measured | null;
  readonly failure: FailureKind | null;
  /** For `refused`: an HTTP status, or an error of RFC 8489 or RFC 8656. */
  readonly code: number | null;
}

/** What it all means for a meeting, in one word. */
export type Verdict =
  /** Nothing is known yet. */
  | 'testing'
  /** Meetings work; the best way is still being looked for. */
  | 'works-so-far'
  | MediaRung
  | 'no-page'
  | 'no-websocket'
  | 'no-media'
  | 'no-webrtc'
  /** The server took no check. */
  | 'busy';

/** What could be better, and who could make it so. */
export type Hint =
  | 'offline'
  | 'open-udp'
  | 'announced-address'
  | 'websocket-proxy'
  | 'no-way-for-media'
  | 'turn-tls-certificate'
  | 'turn-refused'
  | 'no-turn'
  | 'lossy'
  | 'slow'
  | 'enable-webrtc';

export interface CheckView {
  readonly done: boolean;
  readonly rungs: readonly RungView[];
  readonly verdict: Verdict;
  readonly hints: readonly Hint[];
  /** Where the server says that media goes, `address:port`. */
  readonly announced: readonly string[];
}

/** Why a test ended without a measurement. */
export class CheckFailure extends Error {
  readonly kind: FailureKind;
  readonly code: number | null;

  constructor(kind: FailureKind, code: number | null = null) {
    super(kind);
    this.name = 'CheckFailure';
    this.kind = kind;
    this.code = code;
  }

  static fromProtocol(error: ProtocolError): CheckFailure {
    return new CheckFailure(error.code === 'too-many-requests' ? 'busy' : 'no-server');
  }
}
