import { AudioPlayer } from './audio';
import type { Attempt } from './diagnosis';
import type { MeetingEnvironment } from './environment';
import { browserEnvironment } from './environment';
import { IceServers } from './ice';
import { hostToken, keepHostToken, markInside, participantKey, randomKey, wasJustInside } from './identity';
import { rungOf } from './ladder';
import { MediaSession } from './media-session';
import type {
  EndReason,
  LocalMedia,
  MeetingHandle,
  MeetingOptions,
  MeetingState,
  MeetingView,
  PeoplePage,
  VisibleTile,
} from './model';
import { Notices } from './notices';
import { OwnTiles } from './own-tiles';
import type { LocalTracks } from './path';
import { NO_TRACKS } from './path';
import type {
  ClientMessage,
  Event as RoomEvent,
  Join,
  Joined,
  MediaState,
  Reaction,
  Reply,
  RoomOptions,
  ViewItem,
} from './proto';
import { PROTOCOL_VERSION } from './proto';
import { RequestError } from './request-error';
import {
  applyEvent,
  chatOpened,
  chatSending,
  chatState,
  enterRoom,
  reactionExpired,
  type RoomModel,
} from './room-model';
import { captureScreen, stopScreen } from './screen';
import type { ScreenTracks } from './screen';
import { SfuPath } from './sfu';
import { Signalling } from './signalling';
import { Store } from './store';
import { DEFAULT_OPTIONS, buildView, participantView } from './view';
import { defaultItems, visibleItems } from './visible';

/** How long a reaction is shown, in milliseconds. */
const REACTION_MS = 5_000;

/** One meeting, from join to leave; it can be joined again afterwards. */
export class Meeting implements MeetingHandle {
  readonly view: Store<MeetingView>;
  readonly #options: MeetingOptions;
  readonly #local: LocalMedia;
  readonly #environment: MeetingEnvironment;
  readonly #signalling: Signalling;
  readonly #notices: Notices;
  readonly #player: AudioPlayer;
  readonly #ownTiles = new OwnTiles();

  #state: MeetingState = 'idle';
  #end: EndReason | null = null;
  #model: RoomModel | null = null;
  #media: MediaSession | null = null;
  /** A connection to the SFU whose offer the last `join` carried. */
  #prepared: SfuPath | null = null;
  readonly #ice: IceServers;
  #legs = 0;
  #takeOver = false;
  #name: string;
  #disconnectedSince: number | null = null;

  #tracks: LocalTracks = NO_TRACKS;
  #screen: ScreenTracks | null = null;
  #capturing = false;
  #talkingWhileMuted = false;
  #visible: readonly VisibleTile[] | null = null;
  /** What the server believes that this page sends. */
  #toldMedia: MediaState | null = null;

  #drawing = false;
  #joining: (() => void)[] = [];
  #stopListening: (() => void)[] = [];

  constructor(
    options: MeetingOptions,
    local: LocalMedia,
    environment: MeetingEnvironment = browserEnvironment(),
  ) {
    this.#options = options;
    this.#local = local;
    this.#environment = environment;
    this.#name = options.name;
    this.#ice = new IceServers(rungOf(options.transport), {
      clock: environment.clock,
      serverHost: environment.serverHost,
      request: (message) => this.#request(message),
    });
    this.#notices = new Notices(environment.clock);
    this.#player = new AudioPlayer({ onBlocked: () => this.#notices.add('sound-blocked', {}) });
    this.#signalling = new Signalling(environment, {
      makeJoin: () => this.#makeJoin(),
      onJoined: (joined, again) => this.#joined(joined, again),
      onResumed: () => this.#resumed(),
      onEvent: (event) => this.#handle(event),
      onHealth: (since) => this.#health(since),
      onEnd: (reason) => this.#ended(reason),
    });
    this.view = new Store(this.#buildView(null));
    this.#notices.list.subscribe(() => this.#draw());
  }

  // Coming and going.

  join(): Promise<void> {
    if (this.#state === 'idle' || this.#state === 'left') this.#start();
    return this.#untilDecided();
  }

  takeOver(): Promise<void> {
    this.#takeOver = true;
    return this.join();
  }

  leave(): Promise<void> {
    if (this.#state === 'idle') this.#ended({ kind: 'left' });
    this.#signalling.leave();
    return Promise.resolve();
  }

  #start(): void {
    this.#state = 'joining';
    this.#end = null;
    const page = this.#environment;
    this.#stopListening = [
      page.onPageHide(() => {
        markInside(page.session, this.#key(), page.wallClock());
        this.#signalling.goodbye();
      }),
      page.onPageShow(() => this.#signalling.comeBack()),
      page.onNetworkChange((news) => {
        // Without a network there is nothing to look for.
        if (news === 'gone' || news === 'maybe') this.#signalling.probe();
        if (news !== 'here') return;
        this.#signalling.networkChanged();
        this.#media?.networkChanged();
      }),
      this.#local.microphone.subscribe(() => this.#tracksChanged()),
      this.#local.camera.subscribe(() => this.#tracksChanged()),
      this.#local.talkingWhileMuted.subscribe((talking) => {
        this.#talkingWhileMuted = talking;
        this.#draw();
      }),
    ];
    // What was chosen in the green room; a device that is slow to open does not keep the person out.
    if (this.#options.microphone !== (this.#local.microphone.get() !== null)) {
      void this.#local.setMicrophone(this.#options.microphone);
    }
    if (this.#options.camera !== (this.#local.camera.get() !== null)) {
      void this.#local.setCamera(this.#options.camera);
    }
    this.#signalling.start();
    this.#draw();
  }

  #untilDecided(): Promise<void> {
    if (this.#state !== 'joining') return Promise.resolve();
    return new Promise((resolve) => this.#joining.push(resolve));
  }

  #decided(): void {
    const waiting = this.#joining;
    this.#joining = [];
    for (const resolve of waiting) resolve();
  }

  async #makeJoin(): Promise<Join> {
    const { room, create, accessToken } = this.#options;
    const page = this.#environment;
    const token = hostToken(page.storage, room);
    const media = this.#mediaState();
    this.#toldMedia = media;
    const offer = await this.#prepareOffer();
    return {
      version: PROTOCOL_VERSION,
      room,
      name: this.#name,
      key: this.#key(),
      takeover: this.#takeOver || wasJustInside(page.session, this.#key(), page.wallClock()),
      ...(token !== null && { hostToken: token }),
      ...(accessToken !== undefined && { accessToken }),
      ...(create && { options: { ...DEFAULT_OPTIONS, ...create } }),
      media,
      ...(offer && { offer }),
    };
  }

  /** Made for every join: whether the room is on the SFU is known only from the answer. */
  async #prepareOffer(): Promise<Join['offer'] | null> {
    this.#prepared?.close();
    this.#prepared = null;
    try {
      const codec = this.#model?.options.codec ?? this.#options.create?.codec ?? 'auto';
      const path = new SfuPath(this.#tracks, codec, this.#pathEnvironment());
      this.#prepared = path;
      return await path.prepare();
    } catch {
      // A browser without WebRTC can still chat; its path fails and says so.
      return null;
    }
  }

  #joined(joined: Joined, again: boolean): void {
    this.#takeOver = false;
    if (joined.hostToken !== undefined) {
      keepHostToken(this.#environment.storage, this.#options.room, joined.hostToken);
    }
    this.#ice.take(joined.ice);
    this.#model = enterRoom(joined, this.#model);
    // Everybody has a new identity: what the page showed has to be said anew.
    if (again) this.#visible = null;
    this.#state = 'connected';
    this.#disconnectedSince = null;
    this.#media?.close();
    const prepared = joined.answer ? this.#prepared : null;
    if (!prepared) this.#prepared?.close();
    this.#prepared = null;
    if (prepared && joined.answer) prepared.acceptJoin(joined.answer);
    this.#media = new MediaSession(
      {
        self: joined.participant,
        topology: joined.room.topology,
        codec: joined.room.options.codec,
        tracks: this.#tracks,
        participants: this.#model.participants,
        view: this.#viewItems(),
        prepared,
      },
      {
        ...this.#pathEnvironment(),
        player: this.#player,
        ownLevel: () => (this.#tracks.microphone ? this.#local.level.get() : 0),
        onChange: () => this.#draw(),
        onStalled: () => this.#signalling.probe(),
        onNotice: (kind) => this.#notices.add(kind, {}),
      },
    );
    if (again) this.#notices.add('rejoined', {});
    this.#tellMedia();
    for (const message of this.#model.chat) {
      if (message.state === 'sending') void this.#deliverChat(message.key, message.text);
    }
    this.#decided();
    this.#draw();
  }

  #resumed(): void {
    if (this.#disconnectedSince !== null) this.#notices.add('reconnected', {});
    this.#media?.serverBack();
    this.#tellMedia();
  }

  #health(since: number | null): void {
    this.#disconnectedSince = since;
    if (this.#state === 'connected' || this.#state === 'reconnecting') {
      this.#state = since === null ? 'connected' : 'reconnecting';
    }
    this.#draw();
  }

  #ended(reason: EndReason): void {
    this.#state = 'left';
    this.#end = reason;
    this.#disconnectedSince = null;
    this.#takeOver = false;
    for (const stop of this.#stopListening) stop();
    this.#stopListening = [];
    this.#media?.close();
    this.#media = null;
    this.#prepared?.close();
    this.#prepared = null;
    this.#player.close();
    this.#endScreen();
    this.#visible = null;
    this.#decided();
    this.#draw();
  }

  #handle(event: RoomEvent): void {
    if (!this.#model) return;
    const before = this.#model;
    const { model, notices } = applyEvent(before, event);
    this.#model = model;
    for (const notice of notices) this.#notices.addDraft(notice);
    // Roster first: an event about media may speak of somebody who has just come.
    this.#media?.setParticipants(model.participants);
    if (model.options.codec !== before.options.codec) this.#media?.setCodec(model.options.codec);
    if (model.participants !== before.participants && !this.#visible) this.#media?.setView(this.#viewItems());
    this.#media?.handle(event);
    const reaction = model.reactions.at(-1);
    if (event.type === 'reacted' && reaction) {
      this.#environment.clock.after(REACTION_MS, () =>
        this.#change((now) => reactionExpired(now, reaction.id)),
      );
    }
    this.#draw();
  }

  // What this page sends.

  async setMicrophone(on: boolean): Promise<void> {
    await this.#local.setMicrophone(on);
  }

  async setCamera(on: boolean): Promise<void> {
    await this.#local.setCamera(on);
  }

  async startScreen(): Promise<void> {
    if (this.#screen || this.#capturing) return;
    this.#capturing = true;
    const captured = await captureScreen(() => {
      this.#endScreen();
      this.#notices.add('screen-ended', {});
    });
    this.#capturing = false;
    if (typeof captured === 'string') {
      if (captured !== 'cancelled') this.#notices.add(`screen-${captured}`, {});
      return;
    }
    if (this.#state !== 'connected' && this.#state !== 'reconnecting') {
      stopScreen(captured);
      return;
    }
    this.#screen = captured;
    this.#tracksChanged();
  }

  stopScreen(): Promise<void> {
    this.#endScreen();
    return Promise.resolve();
  }

  #endScreen(): void {
    if (!this.#screen) return;
    stopScreen(this.#screen);
    this.#screen = null;
    this.#tracksChanged();
  }

  #tracksChanged(): void {
    this.#tracks = {
      microphone: this.#local.microphone.get(),
      camera: this.#local.camera.get(),
      screen: this.#screen?.video ?? null,
      screenAudio: this.#screen?.audio ?? null,
    };
    this.#media?.setTracks(this.#tracks);
    this.#prepared?.setTracks(this.#tracks);
    this.#tellMedia();
    this.#draw();
  }

  #mediaState(): MediaState {
    const { microphone, camera, screen, screenAudio } = this.#tracks;
    return {
      microphone: microphone !== null,
      camera: camera !== null,
      screen: screen !== null,
      screenAudio: screenAudio !== null,
    };
  }

  #tellMedia(): void {
    if (this.#state !== 'connected' && this.#state !== 'reconnecting') return;
    const media = this.#mediaState();
    if (JSON.stringify(media) === JSON.stringify(this.#toldMedia)) return;
    this.#toldMedia = media;
    this.#request({ type: 'set-media', body: { media } }).catch(() => {
      // Told again with the next change or after reconnecting.
      this.#toldMedia = null;
    });
  }

  // What people do.

  async setName(name: string): Promise<void> {
    if (await this.#ask({ type: 'set-name', body: { name } })) this.#name = name;
  }

  async setHand(raised: boolean): Promise<void> {
    await this.#ask({ type: 'set-hand', body: { raised } });
  }

  async react(reaction: Reaction): Promise<void> {
    await this.#ask({ type: 'react', body: { reaction } });
  }

  async setOptions(options: RoomOptions): Promise<void> {
    await this.#ask({ type: 'set-options', body: { options } });
  }

  async endForAll(): Promise<void> {
    await this.#ask({ type: 'end-room', body: {} });
  }

  async sendChat(text: string): Promise<void> {
    if (!this.#model || text.trim() === '') return;
    const key = randomKey();
    this.#change((model) => chatSending(model, { key, text, sentAtMs: this.#environment.wallClock() }));
    await this.#deliverChat(key, text);
  }

  async retryChat(key: string): Promise<void> {
    const message = this.#model?.chat.find((other) => other.key === key && other.state === 'failed');
    if (!message) return;
    this.#change((model) => chatState(model, key, 'sending'));
    await this.#deliverChat(key, message.text);
  }

  async findPeople(after: number | null, search: string): Promise<PeoplePage | null> {
    const wanted = search.trim();
    try {
      const reply = await this.#request({
        type: 'get-participants',
        body: { ...(after !== null && { after }), ...(wanted !== '' && { search: wanted }) },
      });
      const model = this.#model;
      if (reply.type !== 'participants' || !model) return null;
      const speaking = new Set(model.speakers);
      const people = reply.participants.map((participant) =>
        participantView(participant, model, { speaking, isSilent: () => false }),
      );
      return { people, next: reply.next ?? null };
    } catch {
      return null;
    }
  }

  setChatOpen(open: boolean): void {
    this.#change((model) => chatOpened(model, open));
  }

  setVisible(tiles: VisibleTile[]): void {
    this.#visible = tiles;
    this.#media?.setView(this.#viewItems());
  }

  dismissNotice(id: number): void {
    this.#notices.dismiss(id);
  }

  async setSpeaker(deviceId: string): Promise<void> {
    try {
      await this.#player.setSink(deviceId);
    } catch {
      this.#notices.add('speaker-failed', {});
    }
  }

  async #deliverChat(key: string, text: string): Promise<void> {
    try {
      await this.#request({ type: 'chat', body: { key, text } });
      this.#change((model) => chatState(model, key, 'sent'));
    } catch (error) {
      // A message of a lost session is sent again when the page is back inside.
      if (error instanceof RequestError && error.code === 'session-lost') return;
      this.#change((model) => chatState(model, key, 'failed'));
    }
  }

  /** Asks for something a person wanted; says so when it did not work. */
  async #ask(message: ClientMessage): Promise<boolean> {
    try {
      await this.#request(message);
      return true;
    } catch (error) {
      this.#explain(error);
      return false;
    }
  }

  #explain(error: unknown): void {
    switch (error instanceof RequestError ? error.code : 'internal') {
      case 'ended':
        break;
      case 'forbidden':
        this.#notices.add('forbidden', {});
        break;
      case 'too-many-requests':
        this.#notices.add('slow-down', {});
        break;
      case 'bad-name':
        this.#notices.add('name-refused', {});
        break;
      case 'bad-options':
        this.#notices.add('options-refused', {});
        break;
      default:
        this.#notices.add('request-failed', {});
    }
  }

  #request(message: ClientMessage): Promise<Reply> {
    return this.#signalling.request(message);
  }

  // Small things shared by the above.

  #key(): string {
    // By the name that was joined with: changing it in the meeting does not make another person.
    return participantKey(this.#environment.storage, this.#options.room, this.#options.name);
  }

  #pathEnvironment(): ConstructorParameters<typeof SfuPath>[2] {
    return {
      clock: this.#environment.clock,
      createConnection: () => this.#environment.createConnection(),
      ice: this.#ice,
      request: (message) => this.#request(message),
      reachable: () => this.#signalling.reachable,
      nextLeg: () => (this.#legs += 1),
    };
  }

  #viewItems(): ViewItem[] {
    if (!this.#model) return [];
    return this.#visible
      ? visibleItems(this.#visible, this.#model.self)
      : defaultItems(this.#model.participants, this.#model.self);
  }

  #change(change: (model: RoomModel) => RoomModel): void {
    if (!this.#model) return;
    this.#model = change(this.#model);
    this.#draw();
  }

  /** What was tried for media in vain, as long as nothing else explains that it does not come. */
  #blocked(): readonly Attempt[] | null {
    if (!this.#model || this.#state !== 'connected') return null;
    // Where the room can do without the direct path, it is about to.
    const { topology, options } = this.#model;
    if (topology.topology !== 'sfu' && options.topology === 'auto') return null;
    return this.#media?.attempts ?? null;
  }

  /** Once for all changes of a turn. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      this.view.set(this.#buildView(this.view.get()));
    });
  }

  #buildView(before: MeetingView | null): MeetingView {
    const media = this.#media;
    const serverSpeakers = this.#model?.speakers ?? [];
    const speakers = serverSpeakers.length > 0 ? serverSpeakers : (media?.speakers ?? []);
    const self = this.#model?.self ?? null;
    return buildView(
      {
        state: this.#state,
        end: this.#end,
        room: this.#options.room,
        own: {
          ...this.#mediaState(),
          talkingWhileMuted: this.#talkingWhileMuted,
          level: this.#local.level,
        },
        transport: media?.transport ?? null,
        blocked: this.#blocked(),
        streams: media?.streams ?? [],
        moving: media?.moving ?? false,
        notices: this.#notices.list.get(),
        disconnectedSince: this.#disconnectedSince,
      },
      this.#model,
      {
        videoOf: (key) =>
          this.#ownTiles.videoOf(key, self, this.#tracks) ??
          media?.videoOf(key) ?? { stream: null, paused: false },
        qualityOf: (key) => media?.qualityOf(key) ?? null,
        isSilent: (participant) => media?.isSilent(participant) ?? false,
        speaking: new Set([...(media?.speakers ?? []), ...serverSpeakers]),
        speakers,
      },
      before,
    );
  }
}
