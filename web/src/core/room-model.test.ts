import { describe, expect, it } from 'vitest';
import type { ChatMessage, Event as RoomEvent, Joined, Participant } from './proto';
import type { RoomModel } from './room-model';
import {
  applyEvent,
  chatOpened,
  chatSending,
  chatState,
  enterRoom,
  raisedHands,
  reactionExpired,
  roleOf,
} from './room-model';

function person(id: string, order: number, more: Partial<Participant> = {}): Participant {
  return {
    id,
    name: id.toUpperCase(),
    role: 'participant',
    order,
    connection: 'connected',
    media: { microphone: true, camera: true, screen: false, screenAudio: false },
    hand: null,
    network: null,
    ...more,
  };
}

function message(key: string, participant: string, text = key): ChatMessage {
  return { id: `id-${key}`, key, participant, name: participant.toUpperCase(), text, sentAtMs: 1 };
}

function joined(more: Partial<Joined> = {}): Joined {
  return {
    participant: 'me',
    role: 'participant',
    resumeToken: 't',
    room: {
      name: 'garden',
      options: { topology: 'auto', capacity: 100, locked: false, codec: 'auto' },
      topology: { generation: 1, topology: 'p2p', reason: 'initial', settled: true },
    },
    participants: [person('bo', 2), person('me', 1, { role: 'host' })],
    participantCount: 2,
    chat: [],
    ice: { servers: [], lifetimeS: 600 },
    limits: { chatChars: 4000, nameChars: 64, resumeGraceMs: 10_000, meshParticipants: 4 },
    ...more,
  };
}

function after(model: RoomModel, ...events: RoomEvent[]): RoomModel {
  return events.reduce((current, event) => applyEvent(current, event).model, model);
}

function noticesOf(model: RoomModel, event: RoomEvent): string[] {
  return applyEvent(model, event).notices.map((notice) => notice.kind);
}

const room = enterRoom(joined(), null);

describe('people', () => {
  it('stand in the order of arrival, whatever order they are told in', () => {
    const model = after(room, { type: 'participant-joined', participant: person('al', 0) });
    expect(model.participants.map((one) => one.id)).toEqual(['al', 'me', 'bo']);
  });

  it('come and go with a notice, but a page that was replaced goes quietly', () => {
    expect(noticesOf(room, { type: 'participant-joined', participant: person('cy', 3) })).toEqual(['joined']);
    expect(noticesOf(room, { type: 'participant-left', participant: 'bo', reason: 'left' })).toEqual([
      'left',
    ]);
    expect(noticesOf(room, { type: 'participant-left', participant: 'bo', reason: 'lost' })).toEqual([
      'lost',
    ]);
    expect(noticesOf(room, { type: 'participant-left', participant: 'bo', reason: 'replaced' })).toEqual([]);
  });

  it('told twice are there once', () => {
    const again: RoomEvent = { type: 'participant-joined', participant: person('bo', 2) };
    expect(after(room, again).participants).toHaveLength(2);
    expect(noticesOf(room, again)).toEqual([]);
  });

  it('are not invented by an update about somebody who is gone', () => {
    const late: RoomEvent = { type: 'participant-updated', participant: person('zoe', 9) };
    expect(after(room, late)).toEqual(room);
  });

  it('raise hands in their order', () => {
    const model = after(
      room,
      { type: 'participant-updated', participant: person('me', 1, { hand: 7 }) },
      { type: 'participant-updated', participant: person('bo', 2, { hand: 3 }) },
    );
    expect(raisedHands(model)).toEqual(['bo', 'me']);
  });

  it('get a notice for what others do, not for what I do', () => {
    const media = { microphone: true, camera: true, screen: true, screenAudio: false };
    expect(
      noticesOf(room, { type: 'participant-updated', participant: person('bo', 2, { hand: 1, media }) }),
    ).toEqual(['hand-raised', 'screen-started']);
    expect(
      noticesOf(room, { type: 'participant-updated', participant: person('me', 1, { hand: 1, media }) }),
    ).toEqual([]);
  });

  it('have a role that follows the server', () => {
    expect(roleOf(room)).toBe('host');
    const model = after(room, { type: 'participant-updated', participant: person('me', 1) });
    expect(roleOf(model)).toBe('participant');
  });
});

describe('a large room', () => {
  const large = enterRoom(joined({ participantCount: 300 }), null);
  const changed = (more: Partial<Extract<RoomEvent, { type: 'roster-changed' }>>): RoomEvent => ({
    type: 'roster-changed',
    count: 300,
    ...more,
  });

  it('has more people than are listed, and says how many', () => {
    expect(large.count).toBe(300);
    const model = after(large, changed({ count: 312, participants: [person('lin', 287)] }));
    expect(model.count).toBe(312);
    expect(model.participants.map((one) => one.id)).toEqual(['me', 'bo', 'lin']);
  });

  it('forgets who is gone or not listed any more, but never oneself', () => {
    const model = after(
      large,
      changed({ participants: [person('lin', 287)] }),
      changed({ count: 299, left: [{ participant: 'bo', reason: 'left' }], unlisted: ['lin', 'me', 'zoe'] }),
    );
    expect(model.participants.map((one) => one.id)).toEqual(['me']);
    expect(model.count).toBe(299);
  });

  it('is quiet about who comes and goes and raises a hand, but not about a shared screen', () => {
    const media = { microphone: true, camera: true, screen: true, screenAudio: false };
    expect(noticesOf(large, changed({ participants: [person('lin', 287, { media })] }))).toEqual([]);
    expect(noticesOf(large, changed({ participants: [person('bo', 2, { hand: 3, media })] }))).toEqual([
      'screen-started',
    ]);
    expect(noticesOf(large, changed({ left: [{ participant: 'bo', reason: 'lost' }] }))).toEqual([]);
  });
});

describe('chat', () => {
  it('counts what comes in while it is closed, and nothing of my own', () => {
    let model = after(
      room,
      { type: 'chat', message: message('k1', 'bo') },
      { type: 'chat', message: message('k2', 'me') },
    );
    expect(model.unread).toBe(1);
    model = chatOpened(model, true);
    expect(model.unread).toBe(0);
    model = after(model, { type: 'chat', message: message('k3', 'bo') });
    expect(model.unread).toBe(0);
    expect(noticesOf(model, { type: 'chat', message: message('k4', 'bo') })).toEqual([]);
  });

  it('shows a message of mine once, sending and then sent', () => {
    let model = chatSending(room, { key: 'k', text: 'hello', sentAtMs: 5 });
    expect(model.chat).toMatchObject([{ key: 'k', state: 'sending', isSelf: true }]);
    model = after(model, { type: 'chat', message: message('k', 'me', 'hello') });
    model = chatState(model, 'k', 'sent');
    expect(model.chat).toMatchObject([{ key: 'k', state: 'sent', isSelf: true }]);
  });

  it('takes the confirmation before or after the event', () => {
    let model = chatSending(room, { key: 'k', text: 'hello', sentAtMs: 5 });
    model = chatState(model, 'k', 'sent');
    model = after(model, { type: 'chat', message: message('k', 'me', 'hello') });
    expect(model.chat).toHaveLength(1);
  });

  it('does not let a message fail that the server has', () => {
    let model = chatSending(room, { key: 'k', text: 'hello', sentAtMs: 5 });
    model = after(model, { type: 'chat', message: message('k', 'me', 'hello') });
    expect(chatState(model, 'k', 'failed').chat[0]?.state).toBe('sent');
  });

  it('keeps everybody’s order: what is not confirmed stands last', () => {
    let model = chatSending(room, { key: 'mine', text: 'mine', sentAtMs: 5 });
    model = after(model, { type: 'chat', message: message('theirs', 'bo') });
    expect(model.chat.map((one) => one.key)).toEqual(['theirs', 'mine']);
  });

  it('survives a lost session: history from the server, mine stays mine, unsent stays', () => {
    let model = chatSending(room, { key: 'unsent', text: 'u', sentAtMs: 5 });
    model = after(model, { type: 'chat', message: message('old', 'me') });
    const again = enterRoom(
      joined({ participant: 'me2', chat: [message('old', 'me'), message('new', 'bo')] }),
      model,
    );
    expect(again.chat.map((one) => [one.key, one.isSelf, one.state])).toEqual([
      ['old', true, 'sent'],
      ['new', false, 'sent'],
      ['unsent', true, 'sending'],
    ]);
  });
});

describe('the room', () => {
  it('tells of a move between direct and server, and ignores an old generation', () => {
    const moved: RoomEvent = {
      type: 'topology-changed',
      state: { generation: 2, topology: 'sfu', reason: 'more-people', settled: false },
    };
    expect(noticesOf(room, moved)).toEqual(['now-server']);
    const model = after(room, moved);
    const settled: RoomEvent = {
      ...moved,
      state: { generation: 2, topology: 'sfu', reason: 'more-people', settled: true },
    };
    expect(noticesOf(model, settled)).toEqual([]);
    const old: RoomEvent = {
      type: 'topology-changed',
      state: { generation: 1, topology: 'p2p', reason: 'initial', settled: true },
    };
    expect(after(model, old).topology.topology).toBe('sfu');
  });

  it('tells whose path failed', () => {
    const failed = (participant: string): RoomEvent => ({
      type: 'path-changed',
      generation: 1,
      participant,
      state: 'failed',
    });
    expect(noticesOf(room, failed('me'))).toEqual(['path-failed-self']);
    expect(noticesOf(room, failed('bo'))).toEqual(['path-failed-other']);
  });

  it('shows reactions until they expire', () => {
    const reacted: RoomEvent = { type: 'reacted', participant: 'bo', name: 'BO', reaction: 'clap' };
    let model = after(room, reacted, reacted);
    expect(model.reactions.map((one) => one.name)).toEqual(['BO', 'BO']);
    model = reactionExpired(model, model.reactions[0]?.id ?? 0);
    expect(model.reactions).toHaveLength(1);
  });

  it('is not changed by an event that this page does not know', () => {
    const unknown = { type: 'fanfare' } as unknown as RoomEvent;
    expect(applyEvent(room, unknown)).toEqual({ model: room, notices: [] });
  });
});
