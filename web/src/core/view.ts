/** Builds what components draw from what the meeting knows. Pure. */
import type { ChatView, MeetingView, ParticipantView, TileQuality, TileView } from './model';
import type { VideoSource } from './path';
import { tileKey } from './path';
import type { Participant, RoomOptions } from './proto';
import type { RoomModel } from './room-model';
import { raisedHands, roleOf } from './room-model';

/** What is shown of one source. */
export interface ShownVideo {
  readonly stream: MediaStream | null;
  readonly paused: boolean;
}

/** What the media paths add to what the server says. */
export interface MediaSnapshot {
  videoOf(key: string): ShownVideo;
  qualityOf(key: string): TileQuality | null;
  /** Nothing arrives from this participant though something should. */
  isSilent(participant: string): boolean;
  readonly speaking: ReadonlySet<string>;
  /** Loudest first. */
  readonly speakers: readonly string[];
}

export type ViewFrame = Pick<
  MeetingView,
  | 'state'
  | 'end'
  | 'room'
  | 'own'
  | 'transport'
  | 'blocked'
  | 'streams'
  | 'moving'
  | 'notices'
  | 'disconnectedSince'
>;

/** A room's options before the server has told them. */
export const DEFAULT_OPTIONS: RoomOptions = {
  topology: 'auto',
  capacity: 100,
  locked: false,
  codec: 'auto',
};

export function buildView(
  frame: ViewFrame,
  model: RoomModel | null,
  media: MediaSnapshot,
  before: MeetingView | null,
): MeetingView {
  if (!model) {
    return {
      ...frame,
      selfId: null,
      role: 'participant',
      options: DEFAULT_OPTIONS,
      topology: null,
      topologyReason: null,
      participants: [],
      participantCount: 0,
      tiles: [],
      chat: [],
      unread: 0,
      hands: [],
      reactions: [],
      speakers: [],
    };
  }
  const participants = model.participants.map((participant) =>
    participantView(withOwnMedia(participant, model, frame), model, media),
  );
  return {
    ...frame,
    selfId: model.self,
    role: roleOf(model),
    options: model.options,
    topology: model.topology.topology,
    topologyReason: model.topology.reason,
    participants: reuse(before?.participants, participants, (participant) => participant.id),
    participantCount: model.count,
    tiles: reuse(
      before?.tiles,
      participants.flatMap((participant) => tilesOf(participant, media)),
      (tile) => tile.key,
    ),
    chat: model.chat as ChatView[],
    unread: model.unread,
    hands: raisedHands(model),
    reactions: [...model.reactions],
    speakers: [...media.speakers],
  };
}

/** What this page sends is known here first. */
function withOwnMedia(participant: Participant, model: RoomModel, frame: ViewFrame): Participant {
  if (participant.id !== model.self) return participant;
  const { microphone, camera, screen, screenAudio } = frame.own;
  return { ...participant, media: { microphone, camera, screen, screenAudio } };
}

/** A person as components draw them. */
export function participantView(
  participant: Participant,
  model: RoomModel,
  media: Pick<MediaSnapshot, 'speaking' | 'isSilent'>,
): ParticipantView {
  const isSelf = participant.id === model.self;
  return {
    id: participant.id,
    name: participant.name,
    role: participant.role,
    isSelf,
    microphone: participant.media.microphone,
    camera: participant.media.camera,
    screen: participant.media.screen,
    hand: participant.hand,
    speaking: participant.media.microphone && media.speaking.has(participant.id),
    interrupted: !isSelf && (participant.connection === 'interrupted' || media.isSilent(participant.id)),
    network: participant.network,
  };
}

/** The camera's tile is always there (with initials when the camera is off); a screen's only while it is shared. */
function tilesOf(participant: ParticipantView, media: MediaSnapshot): TileView[] {
  const camera = tileOf(participant, 'camera', media);
  return participant.screen ? [tileOf(participant, 'screen', media), camera] : [camera];
}

function tileOf(participant: ParticipantView, source: VideoSource, media: MediaSnapshot): TileView {
  const key = tileKey(participant.id, source);
  const { stream, paused } = media.videoOf(key);
  const hasVideo = participant[source];
  return {
    key,
    participant: participant.id,
    source,
    name: participant.name,
    isSelf: participant.isSelf,
    stream: hasVideo ? stream : null,
    hasVideo,
    paused: hasVideo && paused,
    microphone: participant.microphone,
    speaking: source === 'camera' && participant.speaking,
    hand: participant.hand,
    interrupted: participant.interrupted,
    quality: participant.isSelf ? null : media.qualityOf(key),
  };
}

/** Keeps the objects that did not change, so that only what did is drawn again. */
function reuse<T extends object>(
  before: readonly T[] | undefined,
  now: T[],
  keyOf: (item: T) => string,
): T[] {
  if (!before) return now;
  const known = new Map(before.map((item) => [keyOf(item), item]));
  const merged = now.map((item) => {
    const same = known.get(keyOf(item));
    return same && shallowEqual(same, item) ? same : item;
  });
  const unchanged = merged.length === before.length && merged.every((item, index) => item === before[index]);
  return unchanged ? (before as T[]) : merged;
}

function shallowEqual<T extends object>(a: T, b: T): boolean {
  const keys = Object.keys(a) as (keyof T)[];
  return keys.length === Object.keys(b).length && keys.every((key) => Object.is(a[key], b[key]));
}
