import type { Clock } from './clock';
import { decodableCodecs, isScalable, limitCodecs, offerDependencyDescriptor, videoCodecOf } from './codecs';
import type { Attempt } from './diagnosis';
import { Diagnosis } from './diagnosis';
import { watchForFrame } from './frames';
import type { Ice } from './ice';
import { RIDS, cameraLayers, scalableLayers } from './layers';
import type { LocalTracks } from './path';
import { SOURCES } from './path';
import type {
  CodecPreference,
  PublishWish,
  SfuAnswer,
  SfuOffer,
  Slots,
  SourceKind,
  VideoCodec,
} from './proto';
import { LIMITS } from './proto';
import type { Assignments } from './slots';
import { NO_ASSIGNMENTS, assign, frameArrived } from './slots';

/** A camera's size before it is known. */
const USUAL_CAMERA = { width: 1280, height: 720 } as const;
const SCREEN_ENCODINGS: readonly Encoding[] = [{ maxBitrate: 2_500_000 }];

/** `codec` is of the W3C WebRTC extensions, which TypeScript's DOM types do not know yet. */
type Encoding = RTCRtpEncodingParameters & { codec?: RTCRtpCodec; scalabilityMode?: string };

export type LegState = 'connecting' | 'connected' | 'disconnected' | 'failed';

export interface LegEnvironment {
  clock: Clock;
  createConnection(): RTCPeerConnection;
  ice: Ice;
  onState(state: LegState): void;
  onAssignments(): void;
  /** The browser needs a negotiation to do what was asked (another codec). */
  onNegotiationNeeded(): void;
}

/** One connection to the SFU: this page's sources out, slots in. It does not talk to the server itself. */
export class SfuLeg {
  readonly number: number;
  readonly connection: RTCPeerConnection;
  readonly #environment: LegEnvironment;
  readonly #sources = new Map<SourceKind, RTCRtpTransceiver>();
  readonly #audioSlots: RTCRtpTransceiver[] = [];
  readonly #videoSlots: RTCRtpTransceiver[] = [];
  readonly #streams = new Map<RTCRtpTransceiver, MediaStream>();
  readonly #watches = new Map<string, () => void>();
  /** Changes of one sender's parameters, one after the other (each needs a fresh `getParameters`). */
  readonly #parameterSteps = new Map<SourceKind, Promise<void>>();
  /** The codec that the order of codecs was last changed for. */
  readonly #reordered = new Map<SourceKind, VideoCodec>();
  #camera: MediaStreamTrack | null = null;
  #codec: CodecPreference;
  #wishes: ReadonlyMap<SourceKind, PublishWish> = new Map();
  #assignments: Assignments = NO_ASSIGNMENTS;
  #state: LegState = 'connecting';
  readonly #diagnosis: Diagnosis;
  /** An offer that is with the server before anything is gathered for it. */
  #prepared: RTCSessionDescriptionInit | null = null;
  #wasConnected = false;
  #answered = false;
  #closed = false;

  constructor(
    number: number,
    videoSlots: number,
    tracks: LocalTracks,
    codec: CodecPreference,
    environment: LegEnvironment,
  ) {
    this.number = number;
    this.#codec = codec;
    this.#environment = environment;
    this.connection = environment.createConnection();
    this.#diagnosis = new Diagnosis(this.connection);
    this.connection.onconnectionstatechange = () => this.#connectionChanged();
    this.connection.oniceconnectionstatechange = () => this.#connectionChanged();
    for (const { source, kind } of SOURCES) {
      const transceiver =
        source === 'camera'
          ? addCamera(this.connection, tracks.camera, codec)
          : this.connection.addTransceiver(kind, {
              direction: 'sendonly',
              ...(source === 'screen' && { sendEncodings: SCREEN_ENCODINGS.map((each) => ({ ...each })) }),
            });
      limitCodecs(transceiver, kind, codec);
      if (kind === 'video') offerDependencyDescriptor(transceiver);
      this.#sources.set(source, transceiver);
    }
    for (let slot = 0; slot < LIMITS.audioSlots; slot++) this.#audioSlots.push(this.#addSlot('audio'));
    this.grow(videoSlots);
    this.setTracks(tracks);
  }

  get state(): LegState {
    return this.#state;
  }
  get videoSlots(): number {
    return this.#videoSlots.length;
  }
  get assignments(): Assignments {
    return this.#assignments;
  }

  /** Adds video slots; they exist for the server after the next offer. */
  grow(videoSlots: number): void {
    const most = Math.min(videoSlots, LIMITS.videoSlots);
    while (this.#videoSlots.length < most) this.#videoSlots.push(this.#addSlot('video'));
  }

  setTracks(tracks: LocalTracks): void {
    for (const { source, of } of SOURCES) {
      const sender = this.#sources.get(source)?.sender;
      // Rejects only for a closed connection.
      if (sender && sender.track !== tracks[of]) sender.replaceTrack(tracks[of]).catch(() => undefined);
    }
    if (this.#camera === tracks.camera) return;
    this.#camera = tracks.camera;
    if (this.#answered) this.#applyWish('camera');
  }

  /**
   * Makes the first offer before the servers for ICE are known. Gathering waits for `accept`, so that it
   * includes relays and costs no further round trip.
   */
  async prepare(): Promise<SfuOffer> {
    this.#prepared = await this.connection.createOffer();
    return this.#describe(this.#prepared.sdp ?? '');
  }

  async offer(iceRestart: boolean): Promise<SfuOffer> {
    const gathers = iceRestart || this.connection.localDescription === null;
    if (gathers) {
      await this.#environment.ice.renew();
      if (!this.#closed) this.#environment.ice.configure(this.connection, 'sfu');
    }
    if (iceRestart) this.connection.restartIce();
    await this.connection.setLocalDescription(await this.connection.createOffer());
    return this.#describe(this.connection.localDescription?.sdp ?? '');
  }

  async accept(answer: SfuAnswer): Promise<void> {
    if (this.#closed) return;
    if (this.#prepared) {
      this.#environment.ice.configure(this.connection, 'sfu');
      await this.connection.setLocalDescription(this.#prepared);
      this.#prepared = null;
    }
    const sdp = this.#environment.ice.restrict(answer.sdp);
    await this.connection.setRemoteDescription({ type: 'answer', sdp });
    this.#answered = true;
    for (const source of ['camera', 'screen'] as const) this.#applyWish(source);
  }

  /** Undoes an offer that the server did not take. */
  async rollBack(): Promise<void> {
    if (this.#closed || this.connection.signalingState !== 'have-local-offer') return;
    await this.connection.setLocalDescription({ type: 'rollback' });
  }

  /** Why there is no connection. Null when the browser cannot tell. */
  async attempts(): Promise<Attempt[] | null> {
    try {
      return await this.#diagnosis.attempts(this.#environment.ice.serversTo('sfu'));
    } catch {
      return null;
    }
  }

  setSlots(slots: Slots): void {
    this.#setAssignments(assign(this.#assignments, slots));
  }

  setWishes(wishes: ReadonlyMap<SourceKind, PublishWish>): void {
    this.#wishes = wishes;
    if (!this.#answered) return;
    for (const source of ['camera', 'screen'] as const) this.#applyWish(source);
  }

  videoOf(slotMid: string): { stream: MediaStream; receiver: RTCRtpReceiver } | null {
    const transceiver = this.#videoSlots.find((slot) => slot.mid === slotMid);
    const stream = transceiver && this.#streams.get(transceiver);
    return transceiver && stream ? { stream, receiver: transceiver.receiver } : null;
  }

  audioSlots(): { mid: string; receiver: RTCRtpReceiver }[] {
    return this.#audioSlots.map((slot) => ({ mid: mid(slot), receiver: slot.receiver }));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const cancel of this.#watches.values()) cancel();
    this.#watches.clear();
    this.connection.onconnectionstatechange = null;
    this.connection.oniceconnectionstatechange = null;
    this.connection.close();
  }

  #addSlot(kind: 'audio' | 'video'): RTCRtpTransceiver {
    const transceiver = this.connection.addTransceiver(kind, { direction: 'recvonly' });
    limitCodecs(transceiver, kind, this.#codec, 'parity');
    if (kind === 'video') offerDependencyDescriptor(transceiver);
    // One stream for the slot's life: people come and go on it without a new element source.
    this.#streams.set(transceiver, new MediaStream([transceiver.receiver.track]));
    return transceiver;
  }

  /** Candidates are not waited for: the server learns this page's addresses from its checks (ICE lite). */
  #describe(sdp: string): SfuOffer {
    // Transceivers get their names when the description is set; a prepared one has them in its sections,
    // which are in the order of the transceivers (RFC 8829, section 5.2.1).
    const mids = [...sdp.matchAll(/^a=mid:(.*)$/gm)].map(([, name = '']) => name.trim());
    const transceivers = this.connection.getTransceivers();
    const midOf = (transceiver: RTCRtpTransceiver | undefined): string =>
      transceiver ? (transceiver.mid ?? mids[transceivers.indexOf(transceiver)] ?? '') : '';
    return {
      leg: this.number,
      sdp,
      sources: {
        microphone: midOf(this.#sources.get('microphone')),
        camera: midOf(this.#sources.get('camera')),
        screen: midOf(this.#sources.get('screen')),
        screenAudio: midOf(this.#sources.get('screen-audio')),
      },
      audioSlots: this.#audioSlots.map(midOf),
      videoSlots: this.#videoSlots.map(midOf),
      decodes: decodableCodecs(RTCRtpReceiver.getCapabilities('video')),
    };
  }

  #setAssignments(assignments: Assignments): void {
    this.#assignments = assignments;
    for (const cancel of this.#watches.values()) cancel();
    this.#watches.clear();
    for (const assignment of assignments.video.values()) {
      const receiver = this.videoOf(assignment.mid)?.receiver;
      if (assignment.live || !receiver) continue;
      const cancel = watchForFrame(receiver, assignment.after, this.#environment.clock, () => {
        this.#watches.delete(assignment.mid);
        this.#assignments = frameArrived(this.#assignments, assignment);
        this.#environment.onAssignments();
      });
      this.#watches.set(assignment.mid, cancel);
    }
    this.#environment.onAssignments();
  }

  // What the server wants sent.

  #applyWish(source: 'camera' | 'screen'): void {
    const wish = this.#wishes.get(source);
    const sender = this.#sources.get(source)?.sender;
    if (!sender) return;
    const step = (this.#parameterSteps.get(source) ?? Promise.resolve()).then(async () => {
      if (this.#closed) return;
      try {
        await this.#setParameters(source, sender, wish);
      } catch {
        // The next wish or negotiation tries again; what is sent meanwhile is more than needed, not less.
      }
    });
    this.#parameterSteps.set(source, step);
  }

  async #setParameters(
    source: 'camera' | 'screen',
    sender: RTCRtpSender,
    wish: PublishWish | undefined,
  ): Promise<void> {
    const wanted = wish?.layers ?? [true, true, true];
    const parameters = sender.getParameters();
    const encodings: Encoding[] = parameters.encodings;
    const { width, height } = sizeOf(this.#camera);
    // What the answer did not take is not wished for, whatever the server wishes.
    const codec = parameters.codecs.find((each) => videoCodecOf(each) === wish?.codec);
    const sends = codec ?? encodings[0]?.codec ?? parameters.codecs[0];
    const name = sends ? videoCodecOf(sends) : null;
    const scalable = name !== null && isScalable(name);
    const layers = (scalable ? scalableLayers : cameraLayers)(width, height, wanted);
    encodings.forEach((encoding, index) => {
      if (source === 'camera') {
        delete encoding.scalabilityMode;
        Object.assign(encoding, layers[index]);
      } else encoding.active = wanted.includes(true);
      if (codec && encoding.codec && videoCodecOf(encoding.codec) !== wish?.codec)
        encoding.codec = chosen(codec);
      // A codec and its mode go together: neither may be set without the other.
      else if (codec && scalable) encoding.codec = chosen(codec);
    });
    await sender.setParameters(parameters);
    if (wish) await this.#setCodec(source, sender, wish.codec);
  }

  async #setCodec(source: SourceKind, sender: RTCRtpSender, wanted: VideoCodec): Promise<void> {
    const parameters = sender.getParameters();
    const negotiated = parameters.codecs.find((codec) => videoCodecOf(codec) === wanted);
    const encodings: Encoding[] = parameters.encodings;
    const used = encodings[0]?.codec ?? parameters.codecs[0];
    if (!negotiated || (used && videoCodecOf(used) === wanted)) return;
    for (const encoding of encodings) encoding.codec = chosen(negotiated);
    await sender.setParameters(parameters);
    const taken = (sender.getParameters().encodings as Encoding[])[0]?.codec;
    if (taken && videoCodecOf(taken) === wanted) return;
    // A browser that does not know `encodings[].codec` drops it: there the order of codecs decides,
    // tried once for each codec.
    const transceiver = this.#sources.get(source);
    if (!transceiver || this.#reordered.get(source) === wanted) return;
    this.#reordered.set(source, wanted);
    limitCodecs(transceiver, 'video', wanted);
    this.#environment.onNegotiationNeeded();
  }

  #connectionChanged(): void {
    const { connectionState, iceConnectionState } = this.connection;
    const state = legState(connectionState, iceConnectionState, this.#wasConnected);
    if (state === this.#state || this.#closed) return;
    this.#state = state;
    if (state === 'connected') this.#wasConnected = true;
    this.#environment.onState(state);
  }
}

function legState(
  connection: RTCPeerConnectionState,
  ice: RTCIceConnectionState,
  wasConnected: boolean,
): LegState {
  // A way that was lost may be found again (RFC 8445, section 2.4): the keys of DTLS still hold.
  if (ice === 'failed') return wasConnected ? 'disconnected' : 'failed';
  if (connection === 'failed') return 'failed';
  if (ice === 'disconnected' || connection === 'disconnected') return 'disconnected';
  return connection === 'connected' ? 'connected' : 'connecting';
}

function sizeOf(camera: MediaStreamTrack | null): { width: number; height: number } {
  return { ...USUAL_CAMERA, ...camera?.getSettings() };
}

/**
 * A room's codec decides from the first frame on whether layers go out in one stream or in several: what a
 * connection begins with it sends until the server's wishes are there.
 */
function addCamera(
  connection: RTCPeerConnection,
  camera: MediaStreamTrack | null,
  codec: CodecPreference,
): RTCRtpTransceiver {
  const { width, height } = sizeOf(camera);
  const add = (layersOf: typeof cameraLayers): RTCRtpTransceiver =>
    connection.addTransceiver('video', {
      direction: 'sendonly',
      sendEncodings: layersOf(width, height, [true, true, true]).map((layer, index): Encoding => ({
        rid: RIDS[index] ?? '',
        ...layer,
      })),
    });
  if (codec === 'auto' || !isScalable(codec)) return add(cameraLayers);
  try {
    return add(scalableLayers);
  } catch {
    // A browser without such layers sends its own codec, in several streams.
    return add(cameraLayers);
  }
}

/** A codec as `encodings[].codec` wants it. */
function chosen({ mimeType, clockRate, sdpFmtpLine }: RTCRtpCodec): RTCRtpCodec {
  return { mimeType, clockRate, ...(sdpFmtpLine !== undefined && { sdpFmtpLine }) };
}

function mid(transceiver: RTCRtpTransceiver): string {
  return transceiver.mid ?? '';
}
