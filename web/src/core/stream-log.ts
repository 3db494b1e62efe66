/** Every stream that this page sends or receives, with its last minute. Pure. */
import type { StreamNumbers, Transport } from './model';
import type { SourceKind } from './proto';
import { inboundRates } from './quality';
import type { ConnectionSample, OutboundSample } from './stats';

/** Seconds that are remembered. */
const HISTORY = 60;

/** What a media section carries. */
export interface SectionOf {
  readonly source: SourceKind;
  /** Whose it is; null for one's own. */
  readonly participant: string | null;
}

/** A connection at two moments, and what its sections carry. */
export interface ObservedConnection {
  readonly id: string;
  /** Null for the server. */
  readonly peer: string | null;
  readonly before: ConnectionSample;
  readonly now: ConnectionSample;
  sent(mid: string): SectionOf | null;
  received(mid: string): SectionOf | null;
}

type Found = Omit<StreamNumbers, 'history'>;

/** Sounds and pictures in the order in which people think of them. */
const SOURCES: readonly SourceKind[] = ['microphone', 'camera', 'screen', 'screen-audio'];
/** Rids, the smallest first. */
const LAYERS = ['l', 'm', 'h'] as const;

export class StreamLog {
  #streams: readonly StreamNumbers[] = [];

  get streams(): readonly StreamNumbers[] {
    return this.#streams;
  }

  /** A second more. What is not observed any more is forgotten. */
  update(observed: readonly ObservedConnection[]): void {
    const past = new Map(this.#streams.map(({ key, history }) => [key, history]));
    this.#streams = observed
      .flatMap((connection) => [...sent(connection), ...received(connection)])
      .map((stream) => ({
        ...stream,
        history: [...(past.get(stream.key) ?? []), stream.kbps].slice(-HISTORY),
      }))
      // A layer that has been off for a minute is none.
      .filter(({ history }) => history.some((kbps) => kbps > 0))
      .sort(byKind);
  }
}

function sent(connection: ObservedConnection): Found[] {
  const { id, peer, before, now } = connection;
  return now.outbound.flatMap((stream) => {
    const section = connection.sent(stream.mid);
    if (!section) return [];
    return {
      key: `${id}/up/${stream.mid}/${stream.rid}`,
      direction: 'up' as const,
      peer,
      ...section,
      layer: layerOf(stream.rid),
      kbps: kbpsOf(stream, before, now),
      loss: stream.loss,
      roundTripMs: stream.roundTripMs ?? now.roundTripMs,
      jitterMs: stream.jitterMs,
      codec: stream.codec,
      path: pathOf(peer, now.transport),
    };
  });
}

function kbpsOf(stream: OutboundSample, before: ConnectionSample, now: ConnectionSample): number {
  const past = before.outbound.find(({ mid, rid }) => mid === stream.mid && rid === stream.rid);
  const seconds = (now.at - before.at) / 1_000;
  const bytes = stream.bytes - (past?.bytes ?? stream.bytes);
  return seconds > 0 ? (Math.max(0, bytes) * 8) / 1_000 / seconds : 0;
}

function received(connection: ObservedConnection): Found[] {
  const { id, peer, before, now } = connection;
  return inboundRates(before, now).flatMap(({ sample, kbps, loss }) => {
    const section = connection.received(sample.mid);
    if (!section) return [];
    return {
      key: `${id}/down/${sample.mid}/${section.participant ?? ''}/${section.source}`,
      direction: 'down' as const,
      peer,
      ...section,
      layer: null,
      kbps,
      loss,
      roundTripMs: now.roundTripMs,
      jitterMs: sample.jitterMs,
      codec: sample.codec,
      path: pathOf(peer, now.transport),
    };
  });
}

function pathOf(peer: string | null, transport: Transport | null): StreamNumbers['path'] {
  return { direct: peer !== null, transport };
}

function layerOf(rid: string): number | null {
  const index = LAYERS.findIndex((layer) => layer === rid);
  return index < 0 ? null : index;
}

function byKind(one: StreamNumbers, other: StreamNumbers): number {
  const place = ({ source }: StreamNumbers): number => SOURCES.indexOf(source);
  return place(one) - place(other) || (one.layer ?? 0) - (other.layer ?? 0);
}
