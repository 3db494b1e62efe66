import { beforeEach, describe, expect, it } from 'vitest';
import type { LocalTracks, MediaPath, PathMedia, PathState, RemoteAudio } from './path';
import { NO_MEDIA, NO_TRACKS } from './path';
import type { TopologyState } from './proto';
import { Store } from './store';
import { MOVE_TIMES, TopologyPaths } from './topology';
import { VirtualClock } from './virtual-clock';

class FakePath implements MediaPath {
  readonly state = new Store<PathState>({ health: 'connecting', failedPeers: [], attempts: null });
  readonly media = new Store<PathMedia>(NO_MEDIA);
  tracks: LocalTracks | null = null;
  peers: readonly string[] = [];
  closed = false;
  readonly kind: MediaPath['kind'];

  constructor(kind: MediaPath['kind']) {
    this.kind = kind;
  }

  setTracks(tracks: LocalTracks): void {
    this.tracks = tracks;
  }
  setPeers(peers: readonly { id: string }[]): void {
    this.peers = peers.map((peer) => peer.id);
  }
  setView(): void {}
  setCodec(): void {}
  connections(): [] {
    return [];
  }
  networkChanged(): void {}
  serverBack(): void {}
  stalled(): void {}
  close(): void {
    this.closed = true;
  }

  become(health: PathState['health'], ...failedPeers: string[]): void {
    this.state.set({ health, failedPeers, attempts: null });
  }
  /** Delivers these people's pictures and voices. */
  deliver(pictures: Record<string, 'live' | 'waiting' | 'paused'>, voices: string[] = []): void {
    const video = new Map(
      Object.entries(pictures).map(([participant, how]) => {
        const key = `${participant}/camera`;
        const stream = { from: this } as unknown as MediaStream;
        const receiver = {} as RTCRtpReceiver;
        return [key, { key, stream, receiver, live: how !== 'waiting', paused: how === 'paused' }];
      }),
    );
    const audio = voices.map((participant): RemoteAudio => ({
      id: participant,
      participant,
      source: 'microphone',
      track: {} as MediaStreamTrack,
      receiver: {} as RTCRtpReceiver,
    }));
    this.media.set({ video, audio });
  }
}

const camera = (participant: string) =>
  ({ participant, source: 'camera', width: 1, height: 1, priority: 1 }) as const;
const peer = (id: string) => ({
  id,
  media: { microphone: true, camera: true, screen: false, screenAudio: false },
});

let clock: VirtualClock;
let made: FakePath[];
let reports: string[];
let paths: TopologyPaths<FakePath>;

beforeEach(() => {
  clock = new VirtualClock();
  made = [];
  reports = [];
  paths = new TopologyPaths<FakePath>(NO_TRACKS, 'auto', {
    clock,
    makePath: (kind) => {
      const path = new FakePath(kind);
      made.push(path);
      return path;
    },
    report: (generation, state, who) =>
      reports.push([generation, state, ...(who === undefined ? [] : [who])].join(' ')),
    onChange: () => undefined,
  });
  paths.setPeers([peer('bo')]);
  paths.setView([camera('bo'), camera('cy')]);
});

function topology(generation: number, kind: TopologyState['topology'], settled: boolean): void {
  paths.setTopology({ generation, topology: kind, reason: 'initial', settled });
}

/** A direct path that is up, and a move to the server under way. */
function moving(): { direct: FakePath; server: FakePath } {
  topology(1, 'p2p', true);
  const direct = made[0];
  direct?.become('connected');
  direct?.deliver({ bo: 'live' }, ['bo']);
  reports.length = 0;
  topology(2, 'sfu', false);
  const server = made[1];
  if (!direct || !server) throw new Error('no paths');
  return { direct, server };
}

describe('a move', () => {
  it('sends on both paths and shows the old one until the new one delivers', () => {
    const { direct, server } = moving();
    const tracks = { ...NO_TRACKS, camera: {} as MediaStreamTrack };
    paths.setTracks(tracks);
    expect([direct.tracks, server.tracks]).toEqual([tracks, tracks]);
    expect(paths.moving).toBe(true);

    server.become('connected');
    server.deliver({ bo: 'waiting' });
    expect(paths.videoOf('bo/camera')?.stream).toEqual({ from: direct });
    expect(reports).toEqual([]);

    server.deliver({ bo: 'live' });
    expect(paths.videoOf('bo/camera')?.stream).toEqual({ from: server });
    expect(reports).toEqual(['2 ready']);
    expect(direct.closed).toBe(false);
  });

  it('closes the old path only when everybody has moved and this page shows the new one', () => {
    const { direct, server } = moving();
    server.become('connected');
    server.deliver({ bo: 'live' });
    expect(direct.closed).toBe(false);
    topology(2, 'sfu', true);
    expect(direct.closed).toBe(true);
    expect(paths.moving).toBe(false);
  });

  it('keeps the old path when the others have moved first', () => {
    const { direct, server } = moving();
    topology(2, 'sfu', true);
    expect(direct.closed).toBe(false);
    server.become('connected');
    server.deliver({ bo: 'live' });
    expect(direct.closed).toBe(true);
  });

  it('keeps showing the old picture while the server holds the new one back', () => {
    const { direct, server } = moving();
    server.become('connected');
    server.deliver({ bo: 'paused' });
    expect(paths.videoOf('bo/camera')?.stream).toEqual({ from: direct });
    expect(reports).toEqual([]);
    direct.deliver({});
    expect(paths.videoOf('bo/camera')?.paused).toBe(true);
  });

  it('does not wait for pictures for ever', async () => {
    const { server } = moving();
    server.become('connected');
    await clock.advance(MOVE_TIMES.picturePatience - 1);
    expect(reports).toEqual([]);
    await clock.advance(1);
    expect(reports).toEqual(['2 ready']);
  });

  it('does not wait for a picture that the page does not show', () => {
    const { direct, server } = moving();
    direct.deliver({ bo: 'live', dan: 'live' });
    server.become('connected');
    server.deliver({ bo: 'live' });
    expect(reports).toEqual(['2 ready']);
  });

  it('goes on on the old path for a bounded time when the new one does not come up', async () => {
    const { direct, server } = moving();
    server.become('failed');
    expect(reports).toEqual(['2 failed']);
    topology(2, 'sfu', true);
    await clock.advance(MOVE_TIMES.oldPathAfterSettled - 1);
    expect(direct.closed).toBe(false);
    await clock.advance(1);
    expect(direct.closed).toBe(true);
    server.become('connected');
    expect(reports).toEqual(['2 failed', '2 ready']);
  });

  it('uses an open way to the server again, but makes a direct path anew', () => {
    const { server } = moving();
    server.become('connected');
    server.deliver({ bo: 'live' });
    topology(2, 'sfu', true);
    topology(3, 'p2p', false);
    expect(made).toHaveLength(3);
    topology(4, 'sfu', false);
    expect(made).toHaveLength(3);
    expect(reports).toContain('4 ready');
    topology(4, 'sfu', true);
    expect(made[2]?.closed).toBe(true);
    expect(server.closed).toBe(false);
  });

  it('ignores what is said of an earlier generation', () => {
    moving();
    topology(1, 'p2p', true);
    expect(made).toHaveLength(2);
    expect(paths.pathOf(1)).toBe(made[0]);
    expect(paths.moving).toBe(true);
  });
});

describe('sound', () => {
  function audible(): string[] {
    return paths
      .sounds()
      .filter((sound) => sound.audible)
      .map(({ audio }) => audio.id);
  }

  it('comes from one path for each person while two deliver', () => {
    const { server } = moving();
    server.become('connected');
    server.deliver({ bo: 'waiting' }, ['bo', 'cy']);
    // Bo from the old path, and the newcomer, whom only the new one has.
    expect(audible()).toEqual(['bo', 'cy']);
    expect(paths.sounds()).toHaveLength(3);
    server.deliver({ bo: 'live' }, ['bo', 'cy']);
    expect(paths.sounds().filter((sound) => sound.audible)).toHaveLength(2);
    expect(paths.presentPath()).toBe(server);
  });
});

describe('a direct path', () => {
  it('tells which peer cannot be reached, once, and when all can be again', () => {
    topology(1, 'p2p', true);
    made[0]?.become('failed', 'bo');
    made[0]?.become('failed', 'bo');
    expect(reports).toEqual(['1 failed bo']);
    made[0]?.become('connecting');
    made[0]?.become('connected');
    expect(reports).toEqual(['1 failed bo', '1 ready']);
    made[0]?.become('failed', 'bo');
    expect(reports.at(-1)).toBe('1 failed bo');
  });

  it('knows who is there from the start', () => {
    topology(1, 'mesh', true);
    expect(made[0]?.peers).toEqual(['bo']);
    paths.setPeers([peer('bo'), peer('cy')]);
    expect(made[0]?.peers).toEqual(['bo', 'cy']);
  });
});
