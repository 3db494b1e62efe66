import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Attempt } from './diagnosis';
import type { Ice } from './ice';
import { NO_TRACKS } from './path';
import type { LinkState } from './peer-link';
import { LINK_TIMES, PeerLink } from './peer-link';
import type { PeerSignal } from './proto';
import { RETRY_TIMES } from './retry';
import { VirtualClock, settle } from './virtual-clock';

class FakeIce implements Ice {
  configured = 0;
  /** What asking for fresh credentials waits for. */
  renewing: Promise<void> = Promise.resolve();
  renew(): Promise<void> {
    return this.renewing;
  }
  serversTo(): [] {
    return [];
  }
  configure(): void {
    this.configured += 1;
  }
  restrict(sdp: string): string {
    return sdp;
  }
  mayUse(): boolean {
    return true;
  }
}

class FakeTransceiver {
  direction = 'sendrecv';
  readonly receiver: { track: { kind: string } };
  readonly sender = {
    track: null as unknown,
    replaceTrack: (track: unknown): Promise<void> => {
      this.sender.track = track;
      return Promise.resolve();
    },
  };
  constructor(kind: string) {
    this.receiver = { track: { kind } };
  }
}

/** As much of a connection as negotiation needs; the session descriptions are only numbers. */
class FakeConnection {
  connectionState = 'new';
  iceConnectionState = 'new';
  signalingState = 'stable';
  localDescription: { type: string; sdp: string } | null = null;
  remoteDescription: { type: string; sdp: string } | null = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;
  readonly transceivers: FakeTransceiver[] = [];
  readonly candidates: string[] = [];
  restarts = 0;
  closed = false;
  #descriptions = 0;

  addTransceiver(kind: string): FakeTransceiver {
    const transceiver = new FakeTransceiver(kind);
    this.transceivers.push(transceiver);
    return transceiver;
  }
  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }
  createOffer(): Promise<{ type: string; sdp: string }> {
    return Promise.resolve({ type: 'offer', sdp: `offer ${(this.#descriptions += 1)}` });
  }
  createAnswer(): Promise<{ type: string; sdp: string }> {
    return Promise.resolve({ type: 'answer', sdp: `answer to ${this.remoteDescription?.sdp}` });
  }
  setLocalDescription(description: { type: string; sdp: string }): Promise<void> {
    this.localDescription = description;
    this.signalingState = description.type === 'offer' ? 'have-local-offer' : 'stable';
    return Promise.resolve();
  }
  setRemoteDescription(description: { type: string; sdp: string }): Promise<void> {
    this.remoteDescription = description;
    this.signalingState = description.type === 'answer' ? 'stable' : 'have-remote-offer';
    if (description.type === 'offer' && this.transceivers.length === 0) {
      for (const kind of ['audio', 'video', 'video', 'audio']) this.addTransceiver(kind);
    }
    return Promise.resolve();
  }
  addIceCandidate({ candidate }: { candidate: string }): Promise<void> {
    if (candidate === 'stale') return Promise.reject(new Error('unknown ufrag'));
    this.candidates.push(candidate);
    return Promise.resolve();
  }
  addEventListener(): void {}
  getConfiguration(): RTCConfiguration {
    return {};
  }
  getStats(): Promise<Map<string, unknown>> {
    return Promise.resolve(new Map<string, unknown>());
  }
  restartIce(): void {
    this.restarts += 1;
  }
  close(): void {
    this.closed = true;
  }

  become(connectionState: string, iceConnectionState: string): void {
    this.connectionState = connectionState;
    this.iceConnectionState = iceConnectionState;
    this.onconnectionstatechange?.();
  }
}

let clock: VirtualClock;
let connection: FakeConnection;
let sent: PeerSignal[];
let states: LinkState[];
let ice: FakeIce;
let explained: (readonly Attempt[])[];

function link(offers: boolean): PeerLink {
  return new PeerLink(offers, NO_TRACKS, 'auto', {
    clock,
    createConnection: () => connection as unknown as RTCPeerConnection,
    ice,
    send: (signal) => sent.push(signal),
    onState: (state) => states.push(state),
    onAttempts: (attempts) => explained.push(attempts),
    onReceivers: () => undefined,
  });
}

const candidate = (text: string): PeerSignal => ({
  kind: 'candidate',
  candidate: text,
  mid: '0',
  ufrag: null,
});

beforeEach(() => {
  vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => null });
  clock = new VirtualClock();
  connection = new FakeConnection();
  sent = [];
  states = [];
  ice = new FakeIce();
  explained = [];
});

describe('the one who offers', () => {
  it('offers all four sections at once, in the fixed order', async () => {
    link(true);
    await settle();
    expect(connection.transceivers.map((one) => one.receiver.track.kind)).toEqual([
      'audio',
      'video',
      'video',
      'audio',
    ]);
    expect(sent).toEqual([{ kind: 'offer', sdp: 'offer 1' }]);
  });

  it('switches sources without another offer', async () => {
    const peer = link(true);
    await settle();
    const camera = { id: 'camera' } as unknown as MediaStreamTrack;
    peer.setTracks({ ...NO_TRACKS, camera });
    await settle();
    expect(connection.transceivers[1]?.sender.track).toBe(camera);
    peer.setTracks(NO_TRACKS);
    await settle();
    expect(connection.transceivers[1]?.sender.track).toBeNull();
    expect(sent).toHaveLength(1);
  });

  it('keeps candidates that come before the answer, and survives one that does not fit', async () => {
    const peer = link(true);
    peer.receive(candidate('one'));
    peer.receive(candidate('stale'));
    peer.receive(candidate('two'));
    await settle();
    expect(connection.candidates).toEqual([]);
    peer.receive({ kind: 'answer', sdp: 'a' });
    await settle();
    expect(connection.candidates).toEqual(['one', 'two']);
  });

  it('ignores an answer that nobody waits for, and an offer', async () => {
    const peer = link(true);
    await settle();
    peer.receive({ kind: 'answer', sdp: 'a' });
    peer.receive({ kind: 'answer', sdp: 'late' });
    peer.receive({ kind: 'offer', sdp: 'forged' });
    await settle();
    expect(connection.remoteDescription?.sdp).toBe('a');
  });

  it('restarts ICE when the other one asks', async () => {
    const peer = link(true);
    await clock.advance(2_000);
    peer.receive({ kind: 'restart-wanted' });
    await settle();
    expect(connection.restarts).toBe(1);
    expect(sent.at(-1)).toEqual({ kind: 'offer', sdp: 'offer 2' });
  });
});

describe('the one who answers', () => {
  it('answers, sends in every section, and answers a repeated offer with the same answer', async () => {
    const peer = link(false);
    peer.receive({ kind: 'offer', sdp: 'x' });
    await settle();
    peer.receive({ kind: 'offer', sdp: 'x' });
    await settle();
    expect(sent).toEqual([
      { kind: 'answer', sdp: 'answer to x' },
      { kind: 'answer', sdp: 'answer to x' },
    ]);
    expect(connection.transceivers.map((one) => one.direction)).toEqual(Array(4).fill('sendrecv'));
  });

  it('asks for a restart instead of offering', async () => {
    const peer = link(false);
    peer.receive({ kind: 'offer', sdp: 'x' });
    await settle();
    connection.become('connected', 'connected');
    connection.become('connected', 'disconnected');
    expect(sent.at(-1)).toEqual({ kind: 'restart-wanted' });
    expect(connection.restarts).toBe(0);
  });
});

describe('a link', () => {
  it('counts as failed after 8 s without a connection, tries on, and recovers', async () => {
    link(true);
    await clock.advance(LINK_TIMES.failAfter - 1);
    expect(states).toEqual([]);
    await clock.advance(1);
    expect(states).toEqual(['failed']);
    await clock.advance(RETRY_TIMES.longest);
    expect(connection.restarts).toBeGreaterThan(0);
    connection.become('connected', 'connected');
    expect(states).toEqual(['failed', 'connected']);
  });

  it('restarts ICE at once when its way is lost, ever more rarely, and not any more once it is back', async () => {
    const peer = link(true);
    await settle();
    peer.receive({ kind: 'answer', sdp: 'a' });
    await settle();
    connection.become('connected', 'connected');
    connection.become('connected', 'disconnected');
    await settle();
    expect(connection.restarts).toBe(1);
    await clock.advance(20_000);
    expect(connection.restarts).toBeLessThanOrEqual(6);
    const restarts = connection.restarts;
    connection.become('connected', 'connected');
    await clock.advance(60_000);
    expect(connection.restarts).toBe(restarts);
    expect(states).toEqual(['connected', 'connecting', 'failed', 'connected']);
  });

  it('makes one restart of a burst of news about the network, and one more after it', async () => {
    const peer = link(true);
    await settle();
    connection.become('connected', 'connected');
    for (let news = 0; news < 5; news++) peer.networkChanged();
    await clock.advance(10_000);
    expect(connection.restarts).toBe(2);
  });

  it('gathers only with credentials that are good', async () => {
    let renewed = (): void => undefined;
    link(true);
    await settle();
    expect(ice.configured).toBe(1);
    connection.become('connected', 'connected');
    ice.renewing = new Promise((resolve) => (renewed = resolve));
    connection.become('connected', 'disconnected');
    await settle();
    expect(connection.restarts).toBe(0);
    renewed();
    await settle();
    expect(ice.configured).toBe(2);
    expect(connection.restarts).toBe(1);
  });

  it('takes no answer to an offer that a newer one has replaced', async () => {
    const peer = link(true);
    await settle();
    connection.become('connected', 'connected');
    connection.become('connected', 'disconnected');
    await settle();
    expect(sent.filter(({ kind }) => kind === 'offer')).toHaveLength(2);
    peer.receive({ kind: 'answer', sdp: 'to the first' });
    await settle();
    expect(connection.remoteDescription).toBeNull();
    peer.receive({ kind: 'answer', sdp: 'to the second' });
    await settle();
    expect(connection.remoteDescription).toEqual({ type: 'answer', sdp: 'to the second' });
  });

  it('says what was tried once it has failed', async () => {
    link(true);
    await clock.advance(LINK_TIMES.failAfter);
    expect(explained).toHaveLength(1);
    expect(explained[0]?.map(({ rung }) => rung)).toContain('webrtc-udp');
  });

  it('is silent once it is closed', async () => {
    const peer = link(true);
    peer.close();
    await clock.advance(60_000);
    expect(connection.closed).toBe(true);
    expect(states).toEqual([]);
    expect(connection.restarts).toBe(0);
  });
});
