/** A meeting without a server, for tests and for looking at the screen. Does what it is told. */
import type {
  ChatView,
  MeetingHandle,
  MeetingView,
  Notice,
  ParticipantView,
  PeoplePage,
  Readable,
  TileQuality,
  TileView,
  VisibleTile,
} from '../core/model';
import type { Reaction, RoomOptions } from '../core/proto';
import { LIMITS } from '../core/proto';
import { Store } from '../core/store';

export interface FakePerson {
  id: string;
  name: string;
  isSelf?: boolean;
  role?: ParticipantView['role'];
  microphone?: boolean;
  /** The camera's picture; absent: the camera is off. */
  picture?: MediaStream | null;
  /** A shared screen's picture; absent: nothing is shared. */
  screen?: MediaStream | null;
  hand?: number | null;
  interrupted?: boolean;
  paused?: boolean;
  quality?: TileQuality | null;
  network?: ParticipantView['network'];
}

export const GOOD: TileQuality = {
  quality: 'good',
  blame: 'none',
  kbps: 1240,
  loss: 0.002,
  roundTripMs: 34,
  jitterMs: 3,
  width: 1280,
  height: 720,
  fps: 30,
  codec: 'VP8',
  path: { direct: false, transport: 'webrtc-udp' },
};

export class FakeMeeting implements MeetingHandle {
  readonly level = new Store(0);
  readonly #view: Store<MeetingView>;
  #people: FakePerson[] = [];
  #nextId = 1;
  /** What was asked for, oldest first: the method's name and what it was given. */
  readonly asked: [method: string, ...given: unknown[]][] = [];
  /** What `setVisible` was told last. */
  visible: VisibleTile[] = [];
  /** How many of the people the page is told of without asking. */
  listed = Infinity;
  /** Refuses chat messages. */
  offline = false;

  constructor(change: Partial<MeetingView> = {}) {
    this.#view = new Store<MeetingView>({
      state: 'connected',
      end: null,
      room: 'blue-lake',
      selfId: null,
      role: 'participant',
      options: { topology: 'auto', capacity: 50, locked: false, codec: 'auto' },
      topology: 'sfu',
      topologyReason: 'more-people',
      moving: false,
      transport: 'webrtc-udp',
      blocked: null,
      streams: [],
      participants: [],
      participantCount: 0,
      tiles: [],
      chat: [],
      unread: 0,
      hands: [],
      reactions: [],
      speakers: [],
      own: {
        microphone: true,
        camera: true,
        screen: false,
        screenAudio: false,
        talkingWhileMuted: false,
        level: this.level,
      },
      notices: [],
      disconnectedSince: null,
      ...change,
    });
  }

  get view(): Readable<MeetingView> {
    return this.#view;
  }

  set(change: Partial<MeetingView>): void {
    this.#view.update((view) => ({ ...view, ...change }));
    this.#draw();
  }

  setPeople(people: readonly FakePerson[]): void {
    this.#people = [...people];
    this.#draw();
  }

  changePerson(id: string, change: Partial<FakePerson>): void {
    this.#people = this.#people.map((person) => (person.id === id ? { ...person, ...change } : person));
    this.#draw();
  }

  say(participant: string, text: string, change: Partial<ChatView> = {}): void {
    const person = this.#people.find(({ id }) => id === participant);
    const message: ChatView = {
      key: `m${this.#nextId++}`,
      participant,
      name: person?.name ?? participant,
      isSelf: person?.isSelf ?? false,
      text,
      sentAtMs: Date.UTC(2026, 10, 20, 9, this.#nextId),
      state: 'sent',
      ...change,
    };
    this.#view.update((view) => ({ ...view, chat: [...view.chat, message] }));
  }

  notice(kind: string, values: Notice['values'] = {}, tone: Notice['tone'] = 'info'): void {
    const notice: Notice = { id: this.#nextId++, kind, values, tone };
    this.#view.update((view) => ({ ...view, notices: [...view.notices, notice] }));
  }

  join(): Promise<void> {
    return this.#ask('join');
  }

  takeOver(): Promise<void> {
    return this.#ask('takeOver');
  }

  leave(): Promise<void> {
    this.set({ state: 'left', end: { kind: 'left' } });
    return this.#ask('leave');
  }

  setMicrophone(on: boolean): Promise<void> {
    this.#own({ microphone: on });
    return this.#ask('setMicrophone', on);
  }

  setCamera(on: boolean): Promise<void> {
    this.#own({ camera: on });
    return this.#ask('setCamera', on);
  }

  startScreen(): Promise<void> {
    this.#own({ screen: true });
    return this.#ask('startScreen');
  }

  stopScreen(): Promise<void> {
    this.#own({ screen: false });
    return this.#ask('stopScreen');
  }

  setName(name: string): Promise<void> {
    return this.#ask('setName', name);
  }

  setHand(raised: boolean): Promise<void> {
    const { selfId } = this.#view.get();
    if (selfId !== null) this.changePerson(selfId, { hand: raised ? this.#nextId++ : null });
    return this.#ask('setHand', raised);
  }

  react(reaction: Reaction): Promise<void> {
    const { selfId } = this.#view.get();
    this.show(selfId ?? '', reaction);
    return this.#ask('react', reaction);
  }

  /** Somebody reacts. */
  show(participant: string, reaction: Reaction): void {
    const name = this.#people.find(({ id }) => id === participant)?.name ?? '';
    this.#view.update((view) => ({
      ...view,
      reactions: [...view.reactions, { id: this.#nextId++, participant, name, reaction }],
    }));
  }

  sendChat(text: string): Promise<void> {
    const { selfId } = this.#view.get();
    this.say(selfId ?? '', text, { isSelf: true, state: this.offline ? 'failed' : 'sent' });
    return this.#ask('sendChat', text);
  }

  retryChat(key: string): Promise<void> {
    const state = this.offline ? ('failed' as const) : ('sent' as const);
    this.#view.update((view) => ({
      ...view,
      chat: view.chat.map((message) => (message.key === key ? { ...message, state } : message)),
    }));
    return this.#ask('retryChat', key);
  }

  setChatOpen(open: boolean): void {
    if (open) this.set({ unread: 0 });
    this.asked.push(['setChatOpen', open]);
  }

  findPeople(after: number | null, search: string): Promise<PeoplePage | null> {
    this.asked.push(['findPeople', after, search]);
    if (this.offline) return Promise.resolve(null);
    const wanted = search.trim().toLowerCase();
    const start = after ?? 0;
    const found = this.#people
      .map((person, index) => ({ person, order: index + 1 }))
      .filter(({ person, order }) => order > start && person.name.toLowerCase().includes(wanted));
    const page = found.slice(0, LIMITS.rosterPage);
    const view = this.#view.get();
    return Promise.resolve({
      people: page.map(({ person }) => participantOf(person, view)),
      next: found.length > page.length ? (page.at(-1)?.order ?? null) : null,
    });
  }

  setOptions(options: RoomOptions): Promise<void> {
    this.set({ options });
    return this.#ask('setOptions', options);
  }

  endForAll(): Promise<void> {
    this.set({ state: 'left', end: { kind: 'ended' } });
    return this.#ask('endForAll');
  }

  setVisible(tiles: VisibleTile[]): void {
    this.visible = tiles;
    this.asked.push(['setVisible', tiles]);
  }

  dismissNotice(id: number): void {
    this.#view.update((view) => ({ ...view, notices: view.notices.filter((notice) => notice.id !== id) }));
  }

  setSpeaker(deviceId: string): Promise<void> {
    return this.#ask('setSpeaker', deviceId);
  }

  #ask(method: string, ...given: unknown[]): Promise<void> {
    this.asked.push([method, ...given]);
    return Promise.resolve();
  }

  #own(change: Partial<MeetingView['own']>): void {
    const { own } = this.#view.get();
    this.set({ own: { ...own, ...change } });
  }

  /** Derives what the real meeting derives: participants, tiles and hands follow from the people. */
  #draw(): void {
    this.#view.update((view) => ({
      ...view,
      selfId: this.#people.find(({ isSelf }) => isSelf)?.id ?? null,
      participants: this.#people.slice(0, this.listed).map((person) => participantOf(person, view)),
      participantCount: this.#people.length,
      tiles: this.#people.slice(0, this.listed).flatMap((person) => tilesOf(person, view)),
      hands: this.#people
        .filter(({ hand }) => typeof hand === 'number')
        .sort((a, b) => (a.hand ?? 0) - (b.hand ?? 0))
        .map(({ id }) => id),
    }));
  }
}

function microphoneOf(person: FakePerson, view: MeetingView): boolean {
  return person.isSelf ? view.own.microphone : (person.microphone ?? true);
}

function participantOf(person: FakePerson, view: MeetingView): ParticipantView {
  const camera = person.picture !== undefined && (!person.isSelf || view.own.camera);
  return {
    id: person.id,
    name: person.name,
    role: person.role ?? 'participant',
    isSelf: person.isSelf ?? false,
    microphone: microphoneOf(person, view),
    camera,
    screen: person.screen !== undefined,
    hand: person.hand ?? null,
    speaking: view.speakers.includes(person.id),
    interrupted: person.interrupted ?? false,
    network: person.network ?? null,
  };
}

function tilesOf(person: FakePerson, view: MeetingView): TileView[] {
  const { hand, speaking, interrupted, camera, isSelf } = participantOf(person, view);
  const common = { participant: person.id, name: person.name, isSelf, interrupted };
  const quality = person.quality === undefined ? GOOD : person.quality;
  const cameraTile: TileView = {
    ...common,
    key: `${person.id}/camera`,
    source: 'camera',
    stream: camera ? (person.picture ?? null) : null,
    hasVideo: camera,
    paused: person.paused ?? false,
    microphone: microphoneOf(person, view),
    speaking,
    hand,
    quality: isSelf ? null : quality,
  };
  if (person.screen === undefined) return [cameraTile];
  const screenTile: TileView = {
    ...common,
    key: `${person.id}/screen`,
    source: 'screen',
    stream: person.screen,
    hasVideo: true,
    paused: false,
    microphone: true,
    speaking: false,
    hand: null,
    quality: isSelf ? null : quality,
  };
  return [screenTile, cameraTile];
}
