/**
 * What the numbers mean: the product's thresholds, applied to two moments of a connection. Pure.
 */
import type { Blame, Transport } from './model';
import type { NetworkQuality, NetworkReport } from './proto';
import type { ConnectionSample, InboundSample } from './stats';

/** Less than this share of the wanted rate is poor. */
const POOR_BELOW_RATE = 0.5;
/** This loss or more is poor. */
const POOR_LOSS = 0.06;
/** This loss, for `WARN_AFTER_MS`, is worth a warning. */
const WARN_LOSS = 0.05;
const WARN_AFTER_MS = 5_000;
/** Without packets for so long, what should arrive is lost. */
const LOST_AFTER_MS = 3_000;

/** Worst first: the path of a page is that of the worst connection in use. */
const WORST_TRANSPORTS: readonly Transport[] = [
  'websocket',
  'datachannel',
  'webtransport',
  'webrtc-turn-tls',
  'webrtc-turn-tcp',
  'webrtc-turn-udp',
  'webrtc-tcp',
  'webrtc-udp',
];

export function worstTransport(transports: readonly (Transport | null)[]): Transport | null {
  return WORST_TRANSPORTS.find((transport) => transports.includes(transport)) ?? null;
}

/** What happened on one incoming stream between two moments. */
export interface InboundRate {
  readonly sample: InboundSample;
  readonly kbps: number;
  /** 0 to 1. */
  readonly loss: number;
  readonly packets: number;
  readonly fps: number;
}

export function inboundRates(before: ConnectionSample, now: ConnectionSample): InboundRate[] {
  const seconds = (now.at - before.at) / 1_000;
  if (seconds <= 0) return [];
  return now.inbound.map((sample) => {
    const past = before.inbound.find((other) => other.mid === sample.mid && other.bytes <= sample.bytes);
    const packets = sample.packets - (past?.packets ?? 0);
    const lost = Math.max(0, sample.lost - (past?.lost ?? 0));
    return {
      sample,
      kbps: ((sample.bytes - (past?.bytes ?? 0)) * 8) / 1_000 / seconds,
      loss: packets + lost > 0 ? lost / (packets + lost) : 0,
      packets,
      fps: sample.fps ?? (sample.frames - (past?.frames ?? 0)) / seconds,
    };
  });
}

/** `wantedRate`: arriving rate over wanted rate, null when unknown. */
export function judge(loss: number, wantedRate: number | null, silentForMs: number): NetworkQuality {
  if (silentForMs >= LOST_AFTER_MS) return 'lost';
  if (loss >= POOR_LOSS || (wantedRate !== null && wantedRate < POOR_BELOW_RATE)) return 'poor';
  return 'good';
}

/** How this page's own network is, over all connections that it has. */
export function ownReport(
  pairs: readonly { before: ConnectionSample; now: ConnectionSample }[],
  silentForMs: number,
): NetworkReport {
  let received = 0;
  let lost = 0;
  let lossUp = 0;
  let roundTrip = 0;
  let wantedRate: number | null = null;
  for (const { before, now } of pairs) {
    for (const rate of inboundRates(before, now)) {
      received += rate.packets;
      lost += rate.loss < 1 ? (rate.packets * rate.loss) / (1 - rate.loss) : 0;
    }
    for (const stream of now.outbound)
      if (stream.active && stream.loss !== null) lossUp = Math.max(lossUp, stream.loss);
    roundTrip = Math.max(roundTrip, now.roundTripMs ?? 0);
    const rate = upRate(now);
    if (rate !== null) wantedRate = Math.min(wantedRate ?? 1, rate);
  }
  const lossDown = received + lost > 0 ? lost / (received + lost) : 0;
  return {
    quality: judge(Math.max(lossUp, lossDown), wantedRate, silentForMs),
    roundTripMs: Math.round(roundTrip),
    lossUpPermille: permille(lossUp),
    lossDownPermille: permille(lossDown),
  };
}

/** Share of the wanted rate that can be sent; null unless the browser says that bandwidth limits it. */
function upRate(sample: ConnectionSample): number | null {
  const video = sample.outbound.filter((stream) => stream.kind === 'video' && stream.active);
  if (!video.some((stream) => stream.limited) || sample.availableUpKbps === null) return null;
  const wanted = video.reduce((sum, stream) => sum + (stream.targetKbps ?? 0), 0);
  return wanted > 0 ? Math.min(1, sample.availableUpKbps / wanted) : null;
}

/** Whose network makes a tile bad. `othersBad`: other tiles here are bad as well; null if there are none. */
export function blame(
  tile: NetworkQuality,
  own: NetworkQuality,
  theirs: NetworkQuality | null,
  othersBad: boolean | null,
): Blame {
  if (tile === 'good') return 'none';
  if (theirs !== null && theirs !== 'good' && own === 'good') return 'theirs';
  if (own !== 'good' && (theirs === null || theirs === 'good')) return 'mine';
  if (own !== 'good') return 'unknown';
  if (othersBad === true) return 'mine';
  return othersBad === false ? 'theirs' : 'unknown';
}

/** Says once when my own loss has been high for long enough. */
export class LossWarning {
  #highSince: number | null = null;
  #warned = false;

  /** Whether to warn now. */
  update(report: NetworkReport, now: number): boolean {
    const loss = Math.max(report.lossUpPermille, report.lossDownPermille) / 1_000;
    if (loss < WARN_LOSS) {
      this.#highSince = null;
      this.#warned = false;
      return false;
    }
    this.#highSince ??= now;
    if (this.#warned || now - this.#highSince < WARN_AFTER_MS) return false;
    this.#warned = true;
    return true;
  }
}

function permille(share: number): number {
  return Math.min(1_000, Math.max(0, Math.round(share * 1_000)));
}
