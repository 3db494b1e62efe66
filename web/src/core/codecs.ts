import type { CodecPreference, VideoCodec } from './proto';

/** RFC 6184 constrained baseline, packetization mode 1: the one H.264 that every server takes. */
const CONSTRAINED_BASELINE = /profile-level-id=42[ce]0/i;

const MIME: Record<VideoCodec, string> = {
  vp8: 'video/vp8',
  h264: 'video/h264',
  vp9: 'video/vp9',
  av1: 'video/av1',
};

export function videoCodecOf(codec: { mimeType: string; sdpFmtpLine?: string }): VideoCodec | null {
  const mime = codec.mimeType.toLowerCase();
  if (mime === MIME.vp8) return 'vp8';
  const fmtp = codec.sdpFmtpLine ?? '';
  const usable = fmtp.includes('packetization-mode=1') && CONSTRAINED_BASELINE.test(fmtp);
  return mime === MIME.h264 && usable ? 'h264' : null;
}

/** The codecs that this product negotiates, of those that the browser has; `first` leads. */
export function videoCodecs(capabilities: RTCRtpCapabilities | null, first: CodecPreference): RTCRtpCodec[] {
  const codecs = capabilities?.codecs ?? [];
  const named = codecs.filter((codec) => videoCodecOf(codec) !== null);
  const leading = named.filter((codec) => videoCodecOf(codec) === first);
  const others = named.filter((codec) => videoCodecOf(codec) !== first);
  // One entry stands for retransmission of all: which payload it repairs is decided by negotiation.
  const retransmission = codecs.filter((codec) => codec.mimeType.toLowerCase() === 'video/rtx');
  return [...leading, ...others, ...retransmission];
}

export function audioCodecs(capabilities: RTCRtpCapabilities | null): RTCRtpCodec[] {
  return (capabilities?.codecs ?? []).filter((codec) => codec.mimeType.toLowerCase() === 'audio/opus');
}

/** What this browser can decode, for `SfuOffer.decodes`. */
export function decodableCodecs(capabilities: RTCRtpCapabilities | null): VideoCodec[] {
  const found = new Set<VideoCodec>();
  for (const codec of capabilities?.codecs ?? []) {
    const name = videoCodecOf(codec);
    if (name) found.add(name);
  }
  return [...found];
}

/**
 * Keeps descriptions small and codecs predictable. A browser without `setCodecPreferences` offers
 * everything, which works too.
 */
export function limitCodecs(
  transceiver: RTCRtpTransceiver,
  kind: 'audio' | 'video',
  first: CodecPreference,
): void {
  const capabilities = RTCRtpReceiver.getCapabilities(kind);
  const codecs = kind === 'audio' ? audioCodecs(capabilities) : videoCodecs(capabilities, first);
  if (codecs.length === 0 || typeof transceiver.setCodecPreferences !== 'function') return;
  try {
    transceiver.setCodecPreferences(codecs);
  } catch {
    // Older browsers compare capabilities by identity of all fields; their default order works too.
  }
}
