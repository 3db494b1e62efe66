import type { Attempt } from './diagnosis';
import type { Readable } from './model';
import type { CodecPreference, MediaState, SourceKind, ViewItem } from './proto';

/** What this page sends; null when off. */
export interface LocalTracks {
  readonly microphone: MediaStreamTrack | null;
  readonly camera: MediaStreamTrack | null;
  readonly screen: MediaStreamTrack | null;
  readonly screenAudio: MediaStreamTrack | null;
}

export const NO_TRACKS: LocalTracks = { microphone: null, camera: null, screen: null, screenAudio: null };

export type VideoSource = 'camera' | 'screen';
export type AudioSource = 'microphone' | 'screen-audio';

/** In the order of the media sections of a direct path. */
export const SOURCES: readonly { source: SourceKind; kind: 'audio' | 'video'; of: keyof LocalTracks }[] = [
  { source: 'microphone', kind: 'audio', of: 'microphone' },
  { source: 'camera', kind: 'video', of: 'camera' },
  { source: 'screen', kind: 'video', of: 'screen' },
  { source: 'screen-audio', kind: 'audio', of: 'screenAudio' },
];

export function isVideoSource(source: SourceKind): source is VideoSource {
  return source === 'camera' || source === 'screen';
}

/** A tile's name, stable while the tile exists. */
export function tileKey(participant: string, source: VideoSource): string {
  return `${participant}/${source}`;
}

/** Somebody else in the room, as far as a path cares. */
export interface Peer {
  readonly id: string;
  readonly media: MediaState;
}

/** A picture that a path delivers. */
export interface RemoteVideo {
  readonly key: string;
  readonly stream: MediaStream;
  readonly receiver: RTCRtpReceiver;
  /** A frame of this very picture has arrived, so that showing the stream shows it. */
  readonly live: boolean;
  /** The server sends nothing now for lack of bandwidth. */
  readonly paused: boolean;
}

/** A sound that a path delivers. */
export interface RemoteAudio {
  /** Unique among all paths of the page. */
  readonly id: string;
  /** Null while a slot carries nobody known. */
  readonly participant: string | null;
  readonly source: AudioSource | null;
  readonly track: MediaStreamTrack;
  readonly receiver: RTCRtpReceiver;
}

export interface PathMedia {
  readonly video: ReadonlyMap<string, RemoteVideo>;
  readonly audio: readonly RemoteAudio[];
}

/** Whether the picture moves: frames have arrived, and the server does not hold them back. */
export function isFlowing(video: RemoteVideo | undefined): boolean {
  return video !== undefined && video.live && !video.paused;
}

export const NO_MEDIA: PathMedia = { video: new Map(), audio: [] };

/** One connection of a path, for statistics. */
export interface PathConnection {
  /** Unique among all connections of the page. */
  readonly id: string;
  /** Null for the server. */
  readonly peer: string | null;
  readonly connection: RTCPeerConnection;
}

export interface PathState {
  /** `connected`: everything that there is to connect to is. */
  readonly health: 'connecting' | 'connected' | 'failed';
  /** In a direct path, those who cannot be reached. */
  readonly failedPeers: readonly string[];
  /** While it is `failed` and known: what was tried. */
  readonly attempts: readonly Attempt[] | null;
}

export function samePathState(a: PathState, b: PathState): boolean {
  return a.health === b.health && a.attempts === b.attempts && a.failedPeers.join() === b.failedPeers.join();
}

/** A way for media: direct, or through the server. */
export interface MediaPath {
  readonly kind: 'direct' | 'sfu';
  readonly state: Readable<PathState>;
  readonly media: Readable<PathMedia>;
  /** Never renegotiates: a source that is off is a sender without a track. */
  setTracks(tracks: LocalTracks): void;
  /** Everybody else in the room. */
  setPeers(peers: readonly Peer[]): void;
  setView(items: readonly ViewItem[]): void;
  setCodec(preference: CodecPreference): void;
  connections(): PathConnection[];
  /** The device's network came back or changed. */
  networkChanged(): void;
  /** The server can be talked to again. */
  serverBack(): void;
  /** Nothing comes by one of `connections()` any more, though something did and should. */
  stalled(connection: string): void;
  close(): void;
}
