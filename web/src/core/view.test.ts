import { describe, expect, it } from 'vitest';
import type { MeetingView } from './model';
import type { Participant } from './proto';
import type { RoomModel } from './room-model';
import { Store } from './store';
import type { MediaSnapshot, ViewFrame } from './view';
import { DEFAULT_OPTIONS, buildView } from './view';
import { defaultItems, visibleItems } from './visible';

function person(id: string, order: number, more: Partial<Participant> = {}): Participant {
  return {
    id,
    name: id,
    role: 'participant',
    order,
    connection: 'connected',
    media: { microphone: true, camera: true, screen: false, screenAudio: false },
    hand: null,
    network: null,
    ...more,
  };
}

const sharing = { microphone: true, camera: true, screen: true, screenAudio: false };

function model(...participants: Participant[]): RoomModel {
  return {
    self: 'me',
    name: 'garden',
    options: DEFAULT_OPTIONS,
    topology: { generation: 1, topology: 'p2p', reason: 'initial', settled: true },
    participants,
    count: participants.length,
    chat: [],
    chatOpen: false,
    unread: 0,
    reactions: [],
    nextReaction: 1,
    speakers: [],
  };
}

function frame(own: Partial<MeetingView['own']> = {}): ViewFrame {
  return {
    state: 'connected',
    end: null,
    room: 'garden',
    transport: null,
    blocked: null,
    moving: false,
    notices: [],
    streams: [],
    disconnectedSince: null,
    own: {
      microphone: true,
      camera: true,
      screen: false,
      screenAudio: false,
      talkingWhileMuted: false,
      level: new Store(0),
      ...own,
    },
  };
}

const stream = {} as MediaStream;
const media: MediaSnapshot = {
  videoOf: () => ({ stream, paused: false }),
  qualityOf: () => null,
  isSilent: () => false,
  speaking: new Set(),
  speakers: [],
};

describe('the view', () => {
  it('has a tile for each person, a shared screen before its owner’s camera', () => {
    const view = buildView(frame(), model(person('me', 1), person('bo', 2, { media: sharing })), media, null);
    expect(view.tiles.map((tile) => tile.key)).toEqual(['me/camera', 'bo/screen', 'bo/camera']);
  });

  it('knows what this page sends before the server confirms it', () => {
    const view = buildView(frame({ camera: false, screen: true }), model(person('me', 1)), media, null);
    expect(view.tiles.map((tile) => [tile.source, tile.hasVideo])).toEqual([
      ['screen', true],
      ['camera', false],
    ]);
  });

  it('shows no picture of a camera that is off, whatever the path still holds', () => {
    const off = { ...sharing, camera: false, screen: false };
    const view = buildView(frame(), model(person('me', 1), person('bo', 2, { media: off })), media, null);
    expect(view.tiles[1]).toMatchObject({ hasVideo: false, stream: null });
  });

  it('lets nobody speak who is muted, and marks who is not heard', () => {
    const muted = person('bo', 2, { media: { ...sharing, microphone: false } });
    const speaking = { ...media, speaking: new Set(['bo']), isSilent: (id: string) => id === 'bo' };
    const [, bo] = buildView(frame(), model(person('me', 1), muted), speaking, null).participants;
    expect(bo).toMatchObject({ speaking: false, interrupted: true });
  });

  it('keeps the objects that did not change', () => {
    const before = buildView(frame(), model(person('me', 1), person('bo', 2)), media, null);
    const same = buildView(frame(), model(person('me', 1), person('bo', 2)), media, before);
    expect(same.tiles).toBe(before.tiles);
    const hand = buildView(frame(), model(person('me', 1), person('bo', 2, { hand: 1 })), media, before);
    expect(hand.tiles[0]).toBe(before.tiles[0]);
    expect(hand.tiles[1]).not.toBe(before.tiles[1]);
  });
});

describe('what the server is asked for', () => {
  it('is what the stage shows of others, in whole device pixels', () => {
    expect(
      visibleItems(
        [
          { key: 'bo/screen', width: 1_200.4, height: 700, priority: 3 },
          { key: 'me/camera', width: 100, height: 100, priority: 1 },
          { key: 'bo/camera', width: 0, height: 99_999, priority: 0 },
        ],
        'me',
      ),
    ).toEqual([
      { participant: 'bo', source: 'screen', width: 1_200, height: 700, priority: 3 },
      { participant: 'bo', source: 'camera', width: 1, height: 65_535, priority: 0 },
    ]);
  });

  it('is everybody, screens first, before anything is drawn', () => {
    const items = defaultItems([person('me', 1), person('al', 2), person('bo', 3, { media: sharing })], 'me');
    expect(items.map((item) => `${item.participant}/${item.source}`)).toEqual([
      'bo/screen',
      'al/camera',
      'bo/camera',
    ]);
  });
});
