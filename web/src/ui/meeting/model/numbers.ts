/** The numbers of a tile or of one's own connection, as rows of text. */
import type { Rect, Size } from '../../../core/layout';
import { RUNGS } from '../../../core/ladder';
import type { MeetingView, StreamNumbers, TileQuality } from '../../../core/model';
import type { NetworkReport } from '../../../core/proto';
import { formatNumber, t, translateDynamic, type PlainKey } from '../../../locales';
import { truthOf, wayOf } from './truth';

export interface NumberRow {
  label: PlainKey;
  value: string;
}

export function qualityRows(quality: TileQuality): NumberRow[] {
  const { kbps, loss, roundTripMs, jitterMs, width, height, fps, codec, path } = quality;
  return [
    { label: 'meeting.numbers.rate', value: t('meeting.numbers.rate-value', { value: Math.round(kbps) }) },
    { label: 'meeting.numbers.loss', value: percent(loss) },
    { label: 'meeting.numbers.round-trip', value: milliseconds(roundTripMs) },
    { label: 'meeting.numbers.jitter', value: milliseconds(jitterMs) },
    { label: 'meeting.numbers.resolution', value: resolution(width, height) },
    {
      label: 'meeting.numbers.fps',
      value: fps > 0 ? formatNumber(Math.round(fps)) : t('meeting.numbers.nothing'),
    },
    { label: 'meeting.numbers.codec', value: codec || t('meeting.numbers.nothing') },
    { label: 'meeting.numbers.path', value: pathText(path) },
  ];
}

/** One stream that this page sends or receives. */
export function streamRows(stream: StreamNumbers): NumberRow[] {
  const { kbps, loss, roundTripMs, jitterMs, codec, path } = stream;
  return [
    { label: 'meeting.numbers.rate', value: t('meeting.numbers.rate-value', { value: Math.round(kbps) }) },
    { label: 'meeting.numbers.loss', value: loss === null ? t('meeting.numbers.nothing') : percent(loss) },
    { label: 'meeting.numbers.round-trip', value: milliseconds(roundTripMs) },
    { label: 'meeting.numbers.jitter', value: milliseconds(jitterMs) },
    { label: 'meeting.numbers.codec', value: codec || t('meeting.numbers.nothing') },
    { label: 'meeting.numbers.path', value: pathText(path) },
  ];
}

/** For example "Camera · large", "Microphone of Bo". */
export function streamName({ source, layer, participant }: StreamNumbers, view: MeetingView): string {
  const name = t(`meeting.network.source.${source}`);
  if (participant !== null) {
    const person = view.participants.find(({ id }) => id === participant)?.name;
    return person ? t('meeting.network.stream-of', { source: name, name: person }) : name;
  }
  const size = layer === null ? undefined : translateDynamic(`meeting.network.layer.${layer}`);
  return size ? t('meeting.network.stream', { source: name, layer: size }) : name;
}

/** What somebody else's page has reported of its own network. */
export function reportRows(report: NetworkReport): NumberRow[] {
  return [
    { label: 'meeting.numbers.round-trip', value: milliseconds(report.roundTripMs) },
    { label: 'meeting.numbers.loss-up', value: percent(report.lossUpPermille / 1000) },
    { label: 'meeting.numbers.loss-down', value: percent(report.lossDownPermille / 1000) },
  ];
}

/** One's own connection, as this page measured it. */
export function ownRows(report: NetworkReport | null, view: MeetingView): NumberRow[] {
  const { short, transport } = truthOf(view);
  const path: NumberRow = {
    label: 'meeting.numbers.path',
    value: transport ? `${t(short)} · ${t(transport)}` : t(short),
  };
  if (!report) return [path];
  return [...reportRows(report), path];
}

/** What the path means for whoever uses it; null where there is no path, or nothing to say about it. */
export function transportMeaning(view: MeetingView): PlainKey | null {
  const rung = truthOf(view).transport && RUNGS.find((other) => other === view.transport);
  return rung ? `meeting.transport-means.${rung}` : null;
}

/** For example "Direct · UDP". */
export function pathText({ direct, transport }: TileQuality['path']): string {
  const side = t(wayOf(direct, transport));
  return transport ? `${side} · ${t(`meeting.transport.${transport}`)}` : side;
}

/** `share` is 0 to 1. */
export function percent(share: number): string {
  return formatNumber(share, { style: 'percent', maximumFractionDigits: 1 });
}

export function milliseconds(value: number | null): string {
  if (value === null) return t('meeting.numbers.nothing');
  return t('meeting.numbers.milliseconds', { value: Math.round(value) });
}

function resolution(width: number, height: number): string {
  if (width === 0 || height === 0) return t('meeting.numbers.nothing');
  // As screens are named, without the grouping of thousands.
  return t('meeting.numbers.resolution-value', { width: String(width), height: String(height) });
}

const CARD = { width: 288, height: 300, inset: 8 } as const;

/** Where the card with a tile's numbers stands: at the tile's upper right, but within the stage. */
export function cardPosition(tile: Rect, stage: Size): { x: number; y: number } {
  const within = (wanted: number, most: number): number => Math.max(CARD.inset, Math.min(wanted, most));
  return {
    x: within(tile.x + tile.width - CARD.width - CARD.inset, stage.width - CARD.width - CARD.inset),
    y: within(tile.y + CARD.inset + 36, stage.height - CARD.height - CARD.inset),
  };
}
