import { beforeEach, describe, expect, it } from 'vitest';
import { adviceOn, attemptText } from './blocked';
import { Preferences } from '../../../core/preferences';
import { VirtualClock } from '../../../core/virtual-clock';
import { setLocale } from '../../../locales';
import { FakeMeeting, type FakePerson } from '../../../testing/fake-meeting';
import { sayings } from './announcer';
import { atEnd, chatGroups, chatLength } from './chat';
import { connectionNotice } from './connection';
import { cardPosition, pathText, qualityRows, transportMeaning } from './numbers';
import { reactionPills } from './overlay';
import { peopleRows } from './people';
import { MeetingScreen, type ScreenPlatform } from './screen';
import { Stage } from './stage';
import { describeTile } from './tiles';
import { truthOf } from './truth';

const platform: ScreenPlatform = {
  can: { share: true, fullScreen: true, pictureInPicture: true },
  enterFullScreen: () => Promise.resolve(),
  leaveFullScreen: () => Promise.resolve(),
  enterPictureInPicture: () => Promise.resolve(),
  leavePictureInPicture: () => Promise.resolve(),
  copyLink: () => Promise.resolve(true),
};

/** jsdom draws nothing: any object will do for a stream that is only passed on. */
const picture = {} as MediaStream;

function people(count: number): FakePerson[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `p${index}`,
    name: `Person ${index}`,
    isSelf: index === 0,
    picture,
  }));
}

function setUp(count: number) {
  const meeting = new FakeMeeting();
  meeting.setPeople(people(count));
  const clock = new VirtualClock();
  const screen = new MeetingScreen(meeting, platform, new Preferences(null), clock);
  const stage = new Stage(meeting, screen, clock);
  return { meeting, clock, screen, stage };
}

beforeEach(() => setLocale('en'));

describe('the stage', () => {
  it('tells what is seen, in device pixels, once things have settled', async () => {
    const { meeting, clock, stage } = setUp(3);
    stage.resize({ width: 1000, height: 600 }, 2);
    stage.resize({ width: 1440, height: 810 }, 2);
    expect(meeting.visible).toEqual([]);
    await clock.advance(200);
    expect(meeting.asked.filter(([method]) => method === 'setVisible')).toHaveLength(1);
    expect(meeting.visible.map(({ key }) => key).sort()).toEqual(['p1/camera', 'p2/camera']);
    expect(meeting.visible[0]?.width).toBeGreaterThan(1000);
  });

  it('asks for nothing that is off, and for the shared screen first', async () => {
    const { meeting, clock, stage } = setUp(4);
    meeting.changePerson('p1', { picture: undefined });
    meeting.changePerson('p3', { screen: picture });
    stage.resize({ width: 1440, height: 810 }, 1);
    await clock.advance(200);
    expect(meeting.visible.map(({ key, priority }) => [key, priority])).toEqual([
      ['p3/screen', 3],
      ['p2/camera', 0],
      ['p3/camera', 0],
    ]);
  });

  it('asks for nothing when nobody looks at the page, and for all when somebody does again', async () => {
    const { meeting, clock, stage } = setUp(3);
    stage.resize({ width: 1440, height: 810 }, 1);
    await clock.advance(200);
    stage.setSeen(false);
    await clock.advance(1_000);
    expect(meeting.visible).toHaveLength(2);
    await clock.advance(4_000);
    expect(meeting.visible).toHaveLength(0);
    stage.setSeen(true);
    await clock.advance(1);
    expect(meeting.visible).toHaveLength(2);
  });

  it('brings a speaker to the first page and moves nobody else', () => {
    const { meeting, stage } = setUp(30);
    stage.resize({ width: 1440, height: 810 }, 1);
    const shown = (): string[] => stage.view.get().tiles.map(({ tile }) => tile.participant);
    const before = shown();
    expect(before).not.toContain('p29');
    meeting.set({ speakers: ['p29'] });
    expect(shown()).toContain('p29');
    expect(shown().filter((id) => !before.includes(id))).toEqual(['p29']);
  });

  it('keeps the last speaker large, and never oneself', () => {
    const { meeting, screen, stage } = setUp(5);
    screen.toggleLayout();
    stage.resize({ width: 1440, height: 810 }, 1);
    const large = (): string | undefined => stage.view.get().tiles[0]?.tile.participant;
    meeting.set({ speakers: ['p3'] });
    expect(large()).toBe('p3');
    meeting.set({ speakers: ['p0'] });
    expect(large()).toBe('p3');
    meeting.set({ speakers: [] });
    expect(large()).toBe('p3');
  });

  it('forgets a pin when its person leaves', () => {
    const { meeting, screen } = setUp(3);
    screen.togglePin('p2/camera');
    meeting.setPeople(people(2));
    expect(screen.view.get().pinned).toBeNull();
  });
});

describe('the screen', () => {
  it('has one panel at a time, and tells the meeting when the chat is read', () => {
    const { meeting, screen } = setUp(2);
    screen.togglePanel('chat');
    screen.togglePanel('people');
    expect(screen.view.get().panel).toBe('people');
    expect(meeting.asked.filter(([method]) => method === 'setChatOpen')).toEqual([
      ['setChatOpen', true],
      ['setChatOpen', false],
    ]);
  });

  it('closes what lies on top first', () => {
    const { screen } = setUp(2);
    screen.togglePanel('network');
    screen.openDialog('help');
    screen.closeTop();
    expect(screen.view.get()).toMatchObject({ dialog: null, panel: 'network' });
    screen.toggleMenu('more');
    screen.closeTop();
    expect(screen.view.get()).toMatchObject({ menu: null, panel: 'network' });
    screen.closeTop();
    expect(screen.view.get().panel).toBeNull();
  });

  it('keeps what is being written while the chat is closed', () => {
    const { screen } = setUp(2);
    screen.togglePanel('chat');
    screen.setDraft('half a sen');
    screen.closePanel();
    expect(screen.draft.get()).toBe('half a sen');
  });
});

describe('chat', () => {
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

  it('puts messages of one person within minutes under one name, and days apart', () => {
    const { meeting } = setUp(3);
    const at = Date.UTC(2026, 10, 20, 23, 50);
    meeting.say('p1', 'one', { sentAtMs: at });
    meeting.say('p1', 'two', { sentAtMs: at + 60_000 });
    meeting.say('p2', 'three', { sentAtMs: at + 61_000 });
    meeting.say('p2', 'four', { sentAtMs: at + 15 * 60_000 });
    const groups = chatGroups(meeting.view.get().chat, day);
    expect(groups.map(({ messages }) => messages.map(({ text }) => text))).toEqual([
      ['one', 'two'],
      ['three'],
      ['four'],
    ]);
    expect(groups.map(({ newDay }) => newDay)).toEqual([true, false, true]);
  });

  it('follows only those who read the end', () => {
    expect(atEnd({ scrollTop: 880, clientHeight: 100, scrollHeight: 1000 })).toBe(true);
    expect(atEnd({ scrollTop: 500, clientHeight: 100, scrollHeight: 1000 })).toBe(false);
  });

  it('counts characters as the server does', () => {
    expect(chatLength('a你👍')).toBe(3);
  });
});

describe('what a screen reader says', () => {
  it('names who came, left, raised a hand, shared and wrote', () => {
    const { meeting } = setUp(3);
    const before = meeting.view.get();
    meeting.setPeople([...people(2), { id: 'new', name: 'Mina' }]);
    meeting.changePerson('p1', { hand: 1, screen: picture });
    meeting.say('p1', 'hello');
    const said = sayings(before, meeting.view.get(), 'all').map(({ key }) => key);
    expect(said).toEqual(['left', 'hand', 'sharing', 'joined', 'message']);
    expect(sayings(before, meeting.view.get(), 'important').map(({ key }) => key)).toEqual(['sharing']);
    expect(sayings(before, meeting.view.get(), 'none')).toEqual([]);
  });

  it('does not read out those who were there already', () => {
    const { meeting } = setUp(5);
    const now = meeting.view.get();
    expect(sayings({ ...now, state: 'joining', participants: [] }, now, 'all')).toEqual([]);
  });

  it('tells of the connection', () => {
    const { meeting } = setUp(2);
    const now = meeting.view.get();
    const lost = { ...now, state: 'reconnecting' as const };
    expect(sayings(now, lost, 'important').map(({ key }) => key)).toEqual(['connection-lost']);
    expect(sayings(lost, now, 'important').map(({ key }) => key)).toEqual(['connection-back']);
  });
});

describe('the connection banner', () => {
  it('waits two seconds, and after five says how to get out', () => {
    const lost = { state: 'reconnecting' as const, disconnectedSince: 10_000 };
    expect(connectionNotice(lost, null, 11_900)).toBeNull();
    expect(connectionNotice(lost, null, 12_000)).toEqual({ kind: 'reconnecting', wayOut: false });
    expect(connectionNotice(lost, null, 15_000)).toEqual({ kind: 'reconnecting', wayOut: true });
    expect(connectionNotice({ ...lost, state: 'left' }, null, 15_000)).toBeNull();
  });
});

describe('the truth about the call', () => {
  it('claims nothing before there is a path', () => {
    const { meeting } = setUp(1);
    meeting.set({ topology: 'p2p', transport: null });
    expect(truthOf(meeting.view.get())).toMatchObject({ travels: null, encryption: null });
    meeting.setPeople(people(3));
    meeting.set({ topology: 'sfu', transport: null });
    expect(truthOf(meeting.view.get()).encryption).toBeNull();
    meeting.set({ transport: 'webrtc-udp', moving: true });
    expect(truthOf(meeting.view.get()).encryption).toBeNull();
  });

  it('says that the server could listen when it could', () => {
    const { meeting } = setUp(3);
    expect(truthOf(meeting.view.get()).encryption).toBe('meeting.truth.encrypted-server');
    meeting.set({ topology: 'mesh' });
    expect(truthOf(meeting.view.get()).encryption).toBe('meeting.truth.encrypted-direct');
  });
});

describe('a call that needs a relay', () => {
  it('is not called direct, and its pictures neither', () => {
    const { meeting } = setUp(2);
    meeting.set({ topology: 'p2p', transport: 'webrtc-turn-tls' });
    expect(truthOf(meeting.view.get())).toMatchObject({
      short: 'meeting.truth.relayed',
      travels: 'meeting.truth.p2p-relayed',
      encryption: 'meeting.truth.encrypted-direct',
    });
    expect(pathText({ direct: true, transport: 'webrtc-turn-tls' })).toBe('Relayed · TLS by way of a relay');
    expect(transportMeaning(meeting.view.get())).toBe('meeting.transport-means.webrtc-turn-tls');
    meeting.set({ topology: 'sfu' });
    expect(truthOf(meeting.view.get()).short).toBe('meeting.truth.server');
  });

  it('without a way says what was tried, and blames the network for silence only', () => {
    const silent = { rung: 'webrtc-udp', outcome: 'silent', code: null } as const;
    const refused = { rung: 'webrtc-turn-udp', outcome: 'refused', code: 401 } as const;
    expect(attemptText(silent)).toBe('no answer');
    expect(attemptText(refused)).toBe('refused with code 401');
    expect(adviceOn([silent], 'meet.example')).toContain('UDP and TCP to meet.example');
    expect(adviceOn([silent, refused], 'meet.example')).toContain('tell whoever runs the server');
  });
});

describe('people, tiles and numbers', () => {
  it('lists raised hands first, in their order', () => {
    const { meeting } = setUp(4);
    meeting.changePerson('p3', { hand: 1 });
    meeting.changePerson('p1', { hand: 2 });
    const rows = peopleRows(meeting.view.get());
    expect(rows.map(({ person, handPlace }) => [person.id, handPlace])).toEqual([
      ['p3', 1],
      ['p1', 2],
      ['p0', null],
      ['p2', null],
    ]);
  });

  it('says in words what a tile shows by signs', () => {
    const { meeting } = setUp(2);
    meeting.changePerson('p1', { microphone: false, hand: 1, interrupted: true });
    const tile = meeting.view.get().tiles[1];
    expect(tile && describeTile(tile)).toBe(
      'Person 1, Microphone off, Hand raised, and Connection lost. Waiting…',
    );
  });

  it('shows what was not measured as a dash', () => {
    const rows = qualityRows({
      quality: 'lost',
      blame: 'unknown',
      kbps: 0,
      loss: 0.125,
      roundTripMs: null,
      jitterMs: null,
      width: 0,
      height: 0,
      fps: 0,
      codec: '',
      path: { direct: true, transport: null },
    });
    expect(rows.map(({ value }) => value)).toEqual(['0 kbit/s', '12.5%', '–', '–', '–', '–', '–', 'Direct']);
    expect(pathText({ direct: false, transport: 'webrtc-udp' })).toBe('Through the server · UDP');
  });

  it('keeps the numbers within the stage', () => {
    const stage = { width: 800, height: 400 };
    for (const tile of [
      { x: 0, y: 0, width: 100, height: 80 },
      { x: 700, y: 320, width: 100, height: 80 },
    ]) {
      const { x, y } = cardPosition(tile, stage);
      expect(x).toBeGreaterThanOrEqual(8);
      expect(y).toBeGreaterThanOrEqual(8);
      expect(x + 288).toBeLessThanOrEqual(800);
      expect(y + 300).toBeLessThanOrEqual(400);
    }
  });

  it('shows reactions of a kind together', () => {
    const { meeting } = setUp(3);
    meeting.show('p1', 'clap');
    meeting.show('p2', 'heart');
    meeting.show('p2', 'clap');
    meeting.show('p2', 'clap');
    expect(
      reactionPills(meeting.view.get().reactions).map(({ reaction, names }) => [reaction, names]),
    ).toEqual([
      ['clap', ['Person 1', 'Person 2']],
      ['heart', ['Person 2']],
    ]);
  });
});
