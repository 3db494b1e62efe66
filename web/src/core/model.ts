/**
 * What the page draws: the view-models that `Meeting` keeps and components read. Components hold no
 * logic; everything they can cause is a method of `Meeting` or an action in `web/src/actions`.
 */
import type { Attempt } from './diagnosis';
import type {
  ErrorCode,
  NetworkQuality,
  NetworkReport,
  Reaction,
  Role,
  RoomOptions,
  SourceKind,
  Topology,
  TopologyReason,
} from './proto';

/** A value that changes; the same contract as a Svelte store. */
export interface Readable<T> {
  get(): T;
  /** Calls `run` now and after each change. Returns the function that ends it. */
  subscribe(run: (value: T) => void): () => void;
}

export type MeetingState = 'idle' | 'joining' | 'connected' | 'reconnecting' | 'left';

/** How media travels from this page: the worst of the paths in use. */
export type Transport =
  | 'webrtc-udp'
  | 'webrtc-tcp'
  | 'webrtc-turn-udp'
  | 'webrtc-turn-tcp'
  | 'webrtc-turn-tls'
  | 'webtransport'
  | 'datachannel'
  | 'websocket';

/** Why the page is not (or no longer) in the meeting. */
export interface EndReason {
  kind: 'left' | 'ended' | 'replaced' | 'refused' | 'unreachable';
  /** For `refused`: what the server said. */
  code?: ErrorCode;
}

export interface MeetingView {
  state: MeetingState;
  end: EndReason | null;
  room: string;
  selfId: string | null;
  role: Role;
  options: RoomOptions;
  topology: Topology | null;
  topologyReason: TopologyReason | null;
  /** A move to another topology is under way. */
  moving: boolean;
  transport: Transport | null;
  /** Sound and picture have found no way: what was tried, best first. Null while they have one, or nobody knows. */
  blocked: readonly Attempt[] | null;
  /** What this page sends and receives, stream by stream. */
  streams: readonly StreamNumbers[];
  /** In order of arrival, self included; in a large room only those whom the server lists. */
  participants: ParticipantView[];
  /** How many people there are, listed or not. */
  participantCount: number;
  /** In a stable order: by arrival, a participant's screen before its camera. Self included. */
  tiles: TileView[];
  chat: ChatView[];
  unread: number;
  /** Ids of those who raised a hand, first one first. */
  hands: string[];
  /** Reactions of the last seconds. */
  reactions: ReactionView[];
  /** Loudest first. */
  speakers: string[];
  /** What this page sends. */
  own: OwnMedia;
  /** Transient messages for people; the newest last. */
  notices: Notice[];
  /** Since when, on the clock of `performance.now()`, the server has not been heard; null when it is. */
  disconnectedSince: number | null;
}

export interface OwnMedia {
  microphone: boolean;
  camera: boolean;
  screen: boolean;
  screenAudio: boolean;
  /** Somebody talks into the muted microphone. */
  talkingWhileMuted: boolean;
  /** 0 to 1, for the meter; changes often, so it is a store of its own. */
  level: Readable<number>;
}

export interface ParticipantView {
  id: string;
  name: string;
  role: Role;
  isSelf: boolean;
  microphone: boolean;
  camera: boolean;
  screen: boolean;
  hand: number | null;
  speaking: boolean;
  /** The server does not hear from this person's page, or nothing arrives from it. */
  interrupted: boolean;
  /** The person's own report about its network. */
  network: NetworkReport | null;
}

export interface TileView {
  /** `${participant}/${source}`, stable while the tile exists. */
  key: string;
  participant: string;
  source: Extract<SourceKind, 'camera' | 'screen'>;
  name: string;
  isSelf: boolean;
  /** Shown in the tile's video element; null while there is no picture. */
  stream: MediaStream | null;
  /** The source is on (a picture is there or awaited). */
  hasVideo: boolean;
  /** Nothing is sent to us now because our bandwidth does not allow it. */
  paused: boolean;
  microphone: boolean;
  speaking: boolean;
  hand: number | null;
  interrupted: boolean;
  quality: TileQuality | null;
}

/** Whose network makes a tile bad, as far as it is known. */
export type Blame = 'none' | 'mine' | 'theirs' | 'unknown';

export interface TileQuality {
  quality: NetworkQuality;
  blame: Blame;
  /** kbit/s of this tile's media. */
  kbps: number;
  /** 0 to 1. */
  loss: number;
  roundTripMs: number | null;
  jitterMs: number | null;
  width: number;
  height: number;
  fps: number;
  codec: string;
  /** For example `direct · UDP` parts: who is at the other end, and over what. */
  path: { direct: boolean; transport: Transport | null };
}

/** One stream that this page sends or receives, as it measures it. */
export interface StreamNumbers {
  /** Stable while it carries the same. */
  readonly key: string;
  readonly direction: 'up' | 'down';
  /** Who is at the other end; null for the server. */
  readonly peer: string | null;
  readonly source: SourceKind;
  /** Whose it is; null for one's own. */
  readonly participant: string | null;
  /** Of a camera in several sizes: 0 is the smallest. */
  readonly layer: number | null;
  readonly kbps: number;
  /** 0 to 1; null where the other end has not reported. */
  readonly loss: number | null;
  readonly roundTripMs: number | null;
  readonly jitterMs: number | null;
  readonly codec: string;
  readonly path: { readonly direct: boolean; readonly transport: Transport | null };
  /** kbit/s of each second of the last minute, oldest first. */
  readonly history: readonly number[];
}

export interface ChatView {
  /** The client's key of the message. */
  key: string;
  participant: string;
  name: string;
  isSelf: boolean;
  text: string;
  sentAtMs: number;
  state: 'sending' | 'sent' | 'failed';
}

export interface ReactionView {
  id: number;
  participant: string;
  name: string;
  reaction: Reaction;
}

/** A message for people; `kind` is the locale key below `notice.`, `values` fill it in. */
export interface Notice {
  id: number;
  kind: string;
  values: Record<string, string | number>;
  tone: 'info' | 'warning' | 'error';
}

/** What the stage shows now; decides what the SFU sends. Most important first. */
export interface VisibleTile {
  key: string;
  /** Device pixels. */
  width: number;
  height: number;
  /** 0 thumbnail, 1 ordinary, 2 speaking or pinned, 3 shared screen on the stage. */
  priority: 0 | 1 | 2 | 3;
}

export interface MeetingOptions {
  room: string;
  name: string;
  /** From the URL, for whoever makes the room. */
  create?: Partial<RoomOptions>;
  accessToken?: string;
  /** From the URL: the only path that may be used, for those who test theirs. */
  transport?: Transport;
  microphone: boolean;
  camera: boolean;
}

/** The tracks that a meeting sends; made and kept alive by `Devices`. */
export interface LocalMedia {
  /** Null when there is none or it is off. A new value replaces the track in every path. */
  readonly microphone: Readable<MediaStreamTrack | null>;
  readonly camera: Readable<MediaStreamTrack | null>;
  /** 0 to 1, measured before muting. */
  readonly level: Readable<number>;
  /** Somebody talks while `setMicrophone(false)` holds. */
  readonly talkingWhileMuted: Readable<boolean>;
  /** Turns the device on or off. Resolves to whether it is on; a refusal has become a notice. */
  setMicrophone(on: boolean): Promise<boolean>;
  setCamera(on: boolean): Promise<boolean>;
}

/** Some of the people in a room, in the order of arrival. */
export interface PeoplePage {
  people: ParticipantView[];
  /** For the page that follows; null on the last one. */
  next: number | null;
}

/** One meeting, from join to leave. */
export interface MeetingHandle {
  readonly view: Readable<MeetingView>;
  join(): Promise<void>;
  /** Joins although the same person's other page is inside; closes that one. */
  takeOver(): Promise<void>;
  leave(): Promise<void>;
  setMicrophone(on: boolean): Promise<void>;
  setCamera(on: boolean): Promise<void>;
  startScreen(): Promise<void>;
  stopScreen(): Promise<void>;
  setName(name: string): Promise<void>;
  setHand(raised: boolean): Promise<void>;
  react(reaction: Reaction): Promise<void>;
  sendChat(text: string): Promise<void>;
  retryChat(key: string): Promise<void>;
  setChatOpen(open: boolean): void;
  /**
   * People whom the page has not been told of: those after `after` (the `next` of the page before), of
   * whom the name holds `search`. Null when there is no answer.
   */
  findPeople(after: number | null, search: string): Promise<PeoplePage | null>;
  setOptions(options: RoomOptions): Promise<void>;
  endForAll(): Promise<void>;
  setVisible(tiles: VisibleTile[]): void;
  dismissNotice(id: number): void;
  /** Plays everybody's sound through this device. */
  setSpeaker(deviceId: string): Promise<void>;
}
