/**
 * What `getStats` says, reduced to what is judged. Reads what browsers have in common and takes what
 * is missing as unknown; never looks at the browser's name.
 */
import { RUNGS, rungOfUrl } from './ladder';
import type { Rung } from './ladder';
import type { Transport } from './model';

/** One incoming stream, counters since its start. */
export interface InboundSample {
  readonly mid: string;
  readonly kind: 'audio' | 'video';
  readonly bytes: number;
  readonly packets: number;
  readonly lost: number;
  readonly jitterMs: number | null;
  readonly frames: number;
  readonly width: number;
  readonly height: number;
  readonly fps: number | null;
  readonly codec: string;
}

/** One outgoing stream. */
export interface OutboundSample {
  readonly mid: string;
  /** Of a simulcast encoding; empty otherwise. */
  readonly rid: string;
  readonly kind: 'audio' | 'video';
  readonly active: boolean;
  readonly bytes: number;
  /** kbit/s that the browser wants to send. */
  readonly targetKbps: number | null;
  /** The browser sends less than it could encode, for lack of bandwidth. */
  readonly limited: boolean;
  /** 0 to 1, as the other end reported last. */
  readonly loss: number | null;
  /** As the other end reported last. */
  readonly jitterMs: number | null;
  readonly roundTripMs: number | null;
  readonly codec: string;
}

/** One connection at one moment. */
export interface ConnectionSample {
  /** Milliseconds. */
  readonly at: number;
  readonly transport: Transport | null;
  readonly roundTripMs: number | null;
  readonly availableUpKbps: number | null;
  readonly inbound: readonly InboundSample[];
  readonly outbound: readonly OutboundSample[];
}

/** One way that ICE has tried, or could have. */
export interface PairSample {
  readonly rung: Rung;
  /** Something came back. */
  readonly answered: boolean;
}

type Stats = Readonly<Record<string, unknown>>;

/** Every pair of candidates that the browser still knows, by the rung that it belongs to. */
export function readPairs(report: Iterable<[string, unknown]>): PairSample[] {
  const byId = index(report);
  return [...byId.values()].flatMap((stats) => {
    if (stats.type !== 'candidate-pair') return [];
    const rung = rungOfPair(stats, byId);
    if (!rung) return [];
    const answers = (number(stats, 'responsesReceived') ?? 0) + (number(stats, 'bytesReceived') ?? 0);
    return [{ rung, answered: stats.state === 'succeeded' || answers > 0 }];
  });
}

/** The rungs for which the browser has got a relay. */
export function readRelays(report: Iterable<[string, unknown]>): Set<Rung> {
  const candidates = [...index(report).values()].filter(({ type }) => type === 'local-candidate');
  return new Set(candidates.filter((stats) => stats.candidateType === 'relay').map(rungOfCandidate));
}

export function readSample(report: Iterable<[string, unknown]>, at: number): ConnectionSample {
  const byId = index(report);
  const all = [...byId.values()];
  const pair = selectedPair(all, byId);
  const roundTrip = pair && number(pair, 'currentRoundTripTime');
  const available = pair && number(pair, 'availableOutgoingBitrate');
  return {
    at,
    transport: pair ? rungOfPair(pair, byId) : null,
    roundTripMs: roundTrip === null ? null : roundTrip * 1_000,
    availableUpKbps: available === null ? null : available / 1_000,
    inbound: all.filter((stats) => stats.type === 'inbound-rtp').map((stats) => inbound(stats, byId)),
    outbound: all.filter((stats) => stats.type === 'outbound-rtp').map((stats) => outbound(stats, all, byId)),
  };
}

function selectedPair(all: Stats[], byId: ReadonlyMap<string, Stats>): Stats | null {
  for (const stats of all) {
    if (stats.type !== 'transport') continue;
    const pair = byId.get(text(stats, 'selectedCandidatePairId'));
    if (pair) return pair;
  }
  // Without transport statistics (older Firefox) the pair says itself that it is selected.
  return (
    all.find((stats) => stats.type === 'candidate-pair' && stats.selected === true) ??
    all.find(
      (stats) => stats.type === 'candidate-pair' && stats.nominated === true && stats.state === 'succeeded',
    ) ??
    null
  );
}

function index(report: Iterable<[string, unknown]>): Map<string, Stats> {
  const byId = new Map<string, Stats>();
  for (const [id, stats] of report)
    if (typeof stats === 'object' && stats !== null) byId.set(id, stats as Stats);
  return byId;
}

function rungOfPair(pair: Stats, byId: ReadonlyMap<string, Stats>): Rung | null {
  const local = byId.get(text(pair, 'localCandidateId'));
  if (!local) return null;
  const rung = rungOfCandidate(local);
  // The other end's relay is reached like any address; what goes there is relayed all the same.
  const remote = byId.get(text(pair, 'remoteCandidateId'));
  return rung === 'webrtc-udp' && remote?.candidateType === 'relay' ? 'webrtc-turn-udp' : rung;
}

function rungOfCandidate(local: Stats): Rung {
  const { candidateType, relayProtocol, protocol } = local;
  // `relayProtocol` is how the relay is reached; `protocol` what it speaks to the other end.
  if (candidateType !== 'relay') return isTcp(protocol) ? 'webrtc-tcp' : 'webrtc-udp';
  return (
    RUNGS.find((rung) => rung === `webrtc-turn-${String(relayProtocol)}`) ??
    // Browsers that do not say it name the server (RFC 7065).
    rungOfUrl(text(local, 'url')) ??
    'webrtc-turn-udp'
  );
}

/** `ssltcp` is what Chromium calls TCP that begins like TLS. */
function isTcp(protocol: unknown): boolean {
  return protocol === 'tcp' || protocol === 'ssltcp';
}

function inbound(stats: Stats, byId: ReadonlyMap<string, Stats>): InboundSample {
  const jitter = number(stats, 'jitter');
  return {
    mid: text(stats, 'mid'),
    kind: stats.kind === 'video' ? 'video' : 'audio',
    bytes: number(stats, 'bytesReceived') ?? 0,
    packets: number(stats, 'packetsReceived') ?? 0,
    lost: Math.max(0, number(stats, 'packetsLost') ?? 0),
    jitterMs: jitter === null ? null : jitter * 1_000,
    frames: number(stats, 'framesDecoded') ?? 0,
    width: number(stats, 'frameWidth') ?? 0,
    height: number(stats, 'frameHeight') ?? 0,
    fps: number(stats, 'framesPerSecond'),
    codec: codecName(byId.get(text(stats, 'codecId'))),
  };
}

function outbound(stats: Stats, all: Stats[], byId: ReadonlyMap<string, Stats>): OutboundSample {
  const remote = all.find(
    (other) => other.type === 'remote-inbound-rtp' && other.localId === stats.id && other.ssrc === stats.ssrc,
  );
  const target = number(stats, 'targetBitrate');
  const jitter = remote ? number(remote, 'jitter') : null;
  const roundTrip = remote ? number(remote, 'roundTripTime') : null;
  return {
    mid: text(stats, 'mid'),
    rid: text(stats, 'rid'),
    kind: stats.kind === 'video' ? 'video' : 'audio',
    active: stats.active !== false,
    bytes: number(stats, 'bytesSent') ?? 0,
    targetKbps: target === null ? null : target / 1_000,
    limited: stats.qualityLimitationReason === 'bandwidth',
    loss: remote ? number(remote, 'fractionLost') : null,
    jitterMs: jitter === null ? null : jitter * 1_000,
    roundTripMs: roundTrip === null ? null : roundTrip * 1_000,
    codec: codecName(byId.get(text(stats, 'codecId'))),
  };
}

function codecName(codec: Stats | undefined): string {
  const mime = codec ? text(codec, 'mimeType') : '';
  return mime.slice(mime.indexOf('/') + 1);
}

function number(stats: Stats, name: string): number | null {
  const value = stats[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function text(stats: Stats, name: string): string {
  const value = stats[name];
  return typeof value === 'string' ? value : '';
}
