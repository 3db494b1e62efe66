/**
 * What the page knows of the room, and how each event changes it. Pure: no clock, no browser.
 */
import type { ChatView, ReactionView } from './model';
import type { NoticeDraft } from './notices';
import type {
  ChatMessage,
  Event as RoomEvent,
  Joined,
  Participant,
  Role,
  RoomOptions,
  TopologyState,
} from './proto';

export interface RoomModel {
  readonly self: string;
  readonly name: string;
  readonly options: RoomOptions;
  readonly topology: TopologyState;
  /** Those who are listed, and oneself, in the order of arrival: everybody in a room that is not large. */
  readonly participants: readonly Participant[];
  /** How many people there are, listed or not. */
  readonly count: number;
  readonly chat: readonly ChatView[];
  readonly chatOpen: boolean;
  readonly unread: number;
  readonly reactions: readonly ReactionView[];
  readonly nextReaction: number;
  /** What the server hears, loudest first; it hears nothing in a direct topology. */
  readonly speakers: readonly string[];
}

export interface Change {
  readonly model: RoomModel;
  readonly notices: readonly NoticeDraft[];
}

/** Chat messages kept on the page; the oldest give way. */
const MOST_CHAT = 1_000;
/** Reactions on the screen at once; the oldest give way. */
const MOST_REACTIONS = 40;
/** Above this size of the room, coming and going is not worth a notice each. */
const NOTICED_SIZE = 12;

/**
 * The room as `joined` tells it. `before`: what the page knew in a session that was lost, of which
 * messages that the server has not confirmed are kept.
 */
export function enterRoom(joined: Joined, before: RoomModel | null): RoomModel {
  const history = joined.chat.map((message) => chatView(message, joined.participant));
  const known = new Set(history.map((message) => message.key));
  const unconfirmed = (before?.chat ?? []).filter(
    (message) => message.state !== 'sent' && !known.has(message.key),
  );
  const wasMine = new Set(
    (before?.chat ?? []).filter((message) => message.isSelf).map((message) => message.key),
  );
  return {
    self: joined.participant,
    name: joined.room.name,
    options: joined.room.options,
    topology: joined.room.topology,
    participants: inOrder(joined.participants),
    count: joined.participantCount,
    chat: [
      ...history.map((message) => (wasMine.has(message.key) ? { ...message, isSelf: true } : message)),
      ...unconfirmed,
    ],
    chatOpen: before?.chatOpen ?? false,
    unread: before?.unread ?? 0,
    reactions: [],
    nextReaction: before?.nextReaction ?? 1,
    speakers: [],
  };
}

/** The room after an event. Events about media alone change nothing here. */
export function applyEvent(model: RoomModel, event: RoomEvent): Change {
  switch (event.type) {
    case 'participant-joined':
      return participantJoined(model, event.participant);
    case 'participant-updated':
      return participantUpdated(model, event.participant);
    case 'participant-left': {
      const gone = find(model, event.participant);
      const notices: NoticeDraft[] = [];
      if (gone && worthNoticing(model)) {
        if (event.reason === 'lost') notices.push({ kind: 'lost', values: { name: gone.name } });
        else if (event.reason !== 'replaced') notices.push({ kind: 'left', values: { name: gone.name } });
      }
      return {
        model: {
          ...model,
          participants: model.participants.filter((other) => other.id !== event.participant),
          count: gone ? model.count - 1 : model.count,
          speakers: model.speakers.filter((id) => id !== event.participant),
        },
        notices,
      };
    }
    case 'roster-changed':
      return rosterChanged(model, event);
    case 'network-reported':
      return quietly({
        ...model,
        participants: model.participants.map((other) =>
          other.id === event.participant ? { ...other, network: event.report } : other,
        ),
      });
    case 'chat':
      return chatReceived(model, event.message);
    case 'reacted':
      return quietly(addReaction(model, event));
    case 'options-changed':
      return optionsChanged(model, event.options);
    case 'topology-changed':
      return topologyChanged(model, event.state);
    case 'path-changed': {
      const whose = find(model, event.participant);
      const current = event.generation === model.topology.generation;
      if (!current || event.state !== 'failed' || !whose) return quietly(model);
      return {
        model,
        notices: [
          whose.id === model.self
            ? { kind: 'path-failed-self', values: {} }
            : { kind: 'path-failed-other', values: { name: whose.name } },
        ],
      };
    }
    case 'speakers-changed':
      return quietly({ ...model, speakers: event.speakers });
    case 'server-closing':
      return { model, notices: [{ kind: 'server-closing', values: {} }] };
    default:
      return quietly(model);
  }
}

function participantJoined(model: RoomModel, participant: Participant): Change {
  const others = model.participants.filter((other) => other.id !== participant.id);
  const news = others.length === model.participants.length && participant.id !== model.self;
  const known = others.length < model.participants.length;
  const participants = inOrder([...others, participant]);
  const next = { ...model, participants, count: known ? model.count : model.count + 1 };
  return {
    model: next,
    notices: news && worthNoticing(next) ? [{ kind: 'joined', values: { name: participant.name } }] : [],
  };
}

function participantUpdated(model: RoomModel, participant: Participant): Change {
  const before = find(model, participant.id);
  if (!before) return quietly(model);
  const notices = participant.id === model.self ? [] : updateNotices(before, participant);
  return {
    model: {
      ...model,
      participants: inOrder(
        model.participants.map((other) => (other.id === participant.id ? participant : other)),
      ),
    },
    notices,
  };
}

function updateNotices(before: Participant, now: Participant): NoticeDraft[] {
  const notices: NoticeDraft[] = [];
  const values = { name: now.name };
  if (before.hand === null && now.hand !== null) notices.push({ kind: 'hand-raised', values });
  if (!before.media.screen && now.media.screen) notices.push({ kind: 'screen-started', values });
  if (before.media.screen && !now.media.screen) notices.push({ kind: 'screen-stopped', values });
  return notices;
}

/** Who is listed in a large room. Of all that happens there, only a shared screen is worth a notice. */
function rosterChanged(model: RoomModel, event: Extract<RoomEvent, { type: 'roster-changed' }>): Change {
  const { count, participants = [], left = [], unlisted = [] } = event;
  const known = new Map(model.participants.map((participant) => [participant.id, participant]));
  const own = known.get(model.self);
  const notices = participants.flatMap((participant) => {
    const before = known.get(participant.id);
    if (!before || participant.id === model.self) return [];
    return updateNotices(before, participant).filter(({ kind }) => kind !== 'hand-raised');
  });
  for (const participant of participants) known.set(participant.id, participant);
  const gone = [...left.map(({ participant }) => participant), ...unlisted];
  for (const id of gone) known.delete(id);
  // One knows oneself, listed or not.
  if (own && !known.has(model.self)) known.set(model.self, own);
  const speakers = model.speakers.filter((id) => !gone.includes(id));
  return { model: { ...model, count, participants: inOrder([...known.values()]), speakers }, notices };
}

function chatReceived(model: RoomModel, message: ChatMessage): Change {
  const mine = message.participant === model.self;
  const view = chatView(message, model.self);
  const known = model.chat.some((other) => other.key === message.key);
  if (known) {
    // The server's order is everybody's order, so a confirmed message moves to where the server has it.
    const chat = [
      ...model.chat.filter((other) => other.key !== message.key || other.state === 'sent'),
      ...(model.chat.some((other) => other.key === message.key && other.state === 'sent')
        ? []
        : [{ ...view, isSelf: true }]),
    ];
    return quietly({ ...model, chat: unconfirmedLast(chat) });
  }
  const unseen = !mine && !model.chatOpen;
  return {
    model: {
      ...model,
      chat: unconfirmedLast([...model.chat, view]).slice(-MOST_CHAT),
      unread: model.unread + (unseen ? 1 : 0),
    },
    notices: unseen ? [{ kind: 'chat-received', values: { name: message.name } }] : [],
  };
}

function optionsChanged(model: RoomModel, options: RoomOptions): Change {
  const notices: NoticeDraft[] = [];
  if (options.locked !== model.options.locked) {
    notices.push({ kind: options.locked ? 'room-locked' : 'room-unlocked', values: {} });
  }
  return { model: { ...model, options }, notices };
}

function topologyChanged(model: RoomModel, topology: TopologyState): Change {
  if (topology.generation < model.topology.generation) return quietly(model);
  const wasServer = model.topology.topology === 'sfu';
  const isServer = topology.topology === 'sfu';
  const notices: NoticeDraft[] =
    wasServer === isServer ? [] : [{ kind: isServer ? 'now-server' : 'now-direct', values: {} }];
  const speakers = isServer ? model.speakers : [];
  return { model: { ...model, topology, speakers }, notices };
}

// Chat of this page.

/** Adds a message that is being sent; it stays until the server has confirmed it. */
export function chatSending(
  model: RoomModel,
  message: { key: string; text: string; sentAtMs: number },
): RoomModel {
  const name = find(model, model.self)?.name ?? '';
  const view: ChatView = { ...message, participant: model.self, name, isSelf: true, state: 'sending' };
  return { ...model, chat: [...model.chat, view] };
}

export function chatState(model: RoomModel, key: string, state: ChatView['state']): RoomModel {
  return {
    ...model,
    chat: model.chat.map((message) =>
      // What the server has confirmed cannot fail any more.
      message.key === key && message.state !== 'sent' ? { ...message, state } : message,
    ),
  };
}

export function chatOpened(model: RoomModel, open: boolean): RoomModel {
  return { ...model, chatOpen: open, unread: open ? 0 : model.unread };
}

export function reactionExpired(model: RoomModel, id: number): RoomModel {
  return { ...model, reactions: model.reactions.filter((reaction) => reaction.id !== id) };
}

function addReaction(
  model: RoomModel,
  { participant, name, reaction }: Pick<ReactionView, 'participant' | 'name' | 'reaction'>,
): RoomModel {
  const view = { id: model.nextReaction, participant, name, reaction };
  return {
    ...model,
    reactions: [...model.reactions, view].slice(-MOST_REACTIONS),
    nextReaction: model.nextReaction + 1,
  };
}

// Reading.

export function find(model: RoomModel, id: string): Participant | undefined {
  return model.participants.find((participant) => participant.id === id);
}

export function roleOf(model: RoomModel): Role {
  return find(model, model.self)?.role ?? 'participant';
}

/** Ids of those who raised a hand, first one first. */
export function raisedHands(model: RoomModel): string[] {
  return model.participants
    .filter((participant) => participant.hand !== null)
    .sort((a, b) => (a.hand ?? 0) - (b.hand ?? 0))
    .map((participant) => participant.id);
}

function quietly(model: RoomModel): Change {
  return { model, notices: [] };
}

function inOrder(participants: readonly Participant[]): Participant[] {
  return [...participants].sort((a, b) => a.order - b.order);
}

function unconfirmedLast(chat: readonly ChatView[]): ChatView[] {
  return [
    ...chat.filter((message) => message.state === 'sent'),
    ...chat.filter((message) => message.state !== 'sent'),
  ];
}

function worthNoticing(model: RoomModel): boolean {
  return model.count <= NOTICED_SIZE;
}

function chatView(message: ChatMessage, self: string): ChatView {
  return {
    key: message.key,
    participant: message.participant,
    name: message.name,
    isSelf: message.participant === self,
    text: message.text,
    sentAtMs: message.sentAtMs,
    state: 'sent',
  };
}
