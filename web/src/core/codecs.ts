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
  // The profiles that are left when a parameter is absent (RFC 9628, section 7; AV1 RTP, section 7.2.1).
  if (mime === MIME.vp9) return /profile-id=[1-9]/.test(fmtp) ? null : 'vp9';
  if (mime === MIME.av1) return /profile=[1-9]/.test(fmtp) ? null : 'av1';
  const usable = fmtp.includes('packetization-mode=1') && CONSTRAINED_BASELINE.test(fmtp);
  return mime === MIME.h264 && usable ? 'h264' : null;
}

/** Whether lost packets may be made again from parity that comes along. Between browsers they are asked for. */
export type Repair = 'parity' | 'asking';

/** The codecs that this product negotiates, of those that the browser has; `first` leads. */
export function videoCodecs(
  capabilities: RTCRtpCapabilities | null,
  first: CodecPreference,
  repair: Repair,
): RTCRtpCodec[] {
  const codecs = capabilities?.codecs ?? [];
  const named = codecs.filter((codec) => videoCodecOf(codec) !== null);
  const leading = named.filter((codec) => videoCodecOf(codec) === first);
  const others = named.filter((codec) => videoCodecOf(codec) !== first);
  // One entry stands for retransmission of all: which payload it repairs is decided by negotiation.
  const retransmission = codecs.filter((codec) => codec.mimeType.toLowerCase() === 'video/rtx');
  return [...leading, ...others, ...retransmission, ...(repair === 'parity' ? parityCodecs(codecs) : [])];
}

/** FlexFEC, a stream of its own, which serves every codec; where the browser has none, ULPFEC inside RED. */
function parityCodecs(codecs: readonly RTCRtpCodec[]): RTCRtpCodec[] {
  const named = (mime: string) => codecs.filter((codec) => codec.mimeType.toLowerCase() === mime);
  const flexfec = named('video/flexfec-03');
  return flexfec.length > 0 ? flexfec : [...named('video/red'), ...named('video/ulpfec')];
}

/** Opus, and what repeats it in later packets (RFC 2198) before it: then that is sent, if the server takes it. */
export function audioCodecs(capabilities: RTCRtpCapabilities | null): RTCRtpCodec[] {
  const codecs = capabilities?.codecs ?? [];
  const named = (mime: string): RTCRtpCodec[] =>
    codecs.filter((codec) => codec.mimeType.toLowerCase() === mime && codec.clockRate === 48_000);
  return [...named('audio/red'), ...named('audio/opus')];
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
  repair: Repair = 'asking',
): void {
  const capabilities = RTCRtpReceiver.getCapabilities(kind);
  const codecs = kind === 'audio' ? audioCodecs(capabilities) : videoCodecs(capabilities, first, repair);
  if (codecs.length === 0 || typeof transceiver.setCodecPreferences !== 'function') return;
  try {
    transceiver.setCodecPreferences(codecs);
  } catch {
    // Older browsers compare capabilities by identity of all fields; their default order works too.
  }
}

/** Tells the server which frames need which others: without it AV1 cannot be thinned out on its way. */
const DEPENDENCY_DESCRIPTOR =
  'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension';

/** Of the W3C WebRTC extensions, which TypeScript's DOM types do not know yet. */
interface HeaderExtension {
  uri: string;
  direction?: RTCRtpTransceiverDirection;
}
type Extending = RTCRtpTransceiver & {
  getHeaderExtensionsToNegotiate?: () => HeaderExtension[];
  setHeaderExtensionsToNegotiate?: (extensions: HeaderExtension[]) => void;
};

/** Offers the dependency descriptor where the browser has it but leaves it to be asked for. */
export function offerDependencyDescriptor(transceiver: Extending): void {
  const extensions = transceiver.getHeaderExtensionsToNegotiate?.();
  const wanted = extensions?.find(({ uri }) => uri === DEPENDENCY_DESCRIPTOR);
  if (!extensions || !wanted || wanted.direction !== 'stopped') return;
  wanted.direction = 'sendrecv';
  try {
    transceiver.setHeaderExtensionsToNegotiate?.(extensions);
  } catch {
    // It goes on without: then all layers of AV1 reach everybody.
  }
}

/** How many layers a codec sends in one stream: these are thinned out on their way. */
export function isScalable(codec: VideoCodec): boolean {
  return codec === 'vp9' || codec === 'av1';
}
