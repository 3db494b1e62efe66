/** What a stream is called, and what it does. */
import type { Stream } from '../../core/admin/room';
import type { AdminParticipant, MediaCodec, SourceKind } from '../../core/proto';
import { t, translateDynamic } from '../../locales';

export interface StreamText {
  readonly name: string;
  /** Whose what, for a slot. */
  readonly carries: string | null;
  readonly state: string;
  readonly layer: string;
  readonly codec: string;
  /** Layer and codec in one. */
  readonly encoding: string;
  /** Nothing flows in it. */
  readonly isIdle: boolean;
}

export function streamText(stream: Stream, people: readonly AdminParticipant[]): StreamText {
  if (stream.kind === 'source') {
    const { source, layer, codec, wanted, received } = stream.now;
    const isIdle = received.packets === 0;
    return {
      name: t(`admin.source.${source}`),
      carries: null,
      state: t(isIdle ? 'admin.stream.idle' : wanted ? 'admin.stream.wanted' : 'admin.stream.unwanted'),
      layer: layerText(source, layer),
      codec: codecText(codec),
      encoding: encoding(layerText(source, layer), codecText(codec)),
      isIdle,
    };
  }
  const { isAudio, index, carries, sent } = stream.now;
  const name = t(isAudio ? 'admin.stream.slot-audio' : 'admin.stream.slot-video', { number: index + 1 });
  if (!carries) {
    const nothing = t('admin.none');
    return {
      name,
      carries: null,
      state: t('admin.stream.idle'),
      layer: nothing,
      codec: nothing,
      encoding: t('admin.stream.idle'),
      isIdle: sent.packets === 0,
    };
  }
  const whose = people.find(({ id }) => id === carries.participant)?.name ?? t('admin.stream.somebody');
  return {
    name,
    carries: t('admin.stream.of', { source: t(`admin.source.${carries.source}`), name: whose }),
    state: t(carries.paused ? 'admin.stream.paused' : 'admin.stream.flows'),
    layer: layerText(carries.source, carries.layer),
    codec: codecText(carries.codec),
    encoding: encoding(layerText(carries.source, carries.layer), codecText(carries.codec)),
    isIdle: sent.packets === 0,
  };
}

function encoding(layer: string, codec: string): string {
  return [layer, codec].filter((part) => part !== t('admin.none')).join(' · ');
}

/** Only a camera has several. */
function layerText(source: SourceKind, layer: number | null): string {
  if (source !== 'camera' || layer === null) return t('admin.none');
  return translateDynamic(`admin.layer.${layer}`) ?? String(layer);
}

function codecText(codec: MediaCodec | null): string {
  return codec === null ? t('admin.none') : t(`admin.codec.${codec}`);
}
