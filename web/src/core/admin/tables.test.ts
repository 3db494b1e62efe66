import { describe, expect, it } from 'vitest';
import { flow, person, roomRow } from '../../testing/admin';
import { matches, nextOrder, personRows, roomRows, type PersonColumn } from './tables';

const names = (rows: readonly { name: string }[]) => rows.map(({ name }) => name);

describe('searching', () => {
  it('does not mind case, accents and width', () => {
    expect(matches('Élodie', 'elo')).toBe(true);
    expect(matches('陈晨', '晨')).toBe(true);
    expect(matches('ｂｏａｒｄ', 'BOARD')).toBe(true);
    expect(matches('board', ' ')).toBe(true);
    expect(matches('board', 'x')).toBe(false);
  });
});

describe('a press on a column', () => {
  it('sorts by it, a second one turns it round', () => {
    const byName = { column: 'arrival' as PersonColumn, descending: false };
    const byLoss = nextOrder(byName, 'lossDown');
    expect(byLoss).toEqual({ column: 'lossDown', descending: true });
    expect(nextOrder(byLoss, 'lossDown')).toEqual({ column: 'lossDown', descending: false });
    expect(nextOrder(byLoss, 'name')).toEqual({ column: 'name', descending: false });
  });
});

describe('rooms', () => {
  const rooms = [
    roomRow('room 10', { participants: 3, sinceMs: 30 }),
    roomRow('room 9', { participants: 3, sinceMs: 10 }),
    roomRow('board', { participants: 7, sinceMs: 20, sent: flow(500) }),
  ];

  it('stand by name as people count', () => {
    expect(names(roomRows(rooms, '', { column: 'name', descending: false }))).toEqual([
      'board',
      'room 9',
      'room 10',
    ]);
  });

  it('stand by a figure, equals by name', () => {
    expect(names(roomRows(rooms, '', { column: 'people', descending: true }))).toEqual([
      'board',
      'room 9',
      'room 10',
    ]);
    expect(names(roomRows(rooms, 'ROOM', { column: 'since', descending: true }))).toEqual([
      'room 9',
      'room 10',
    ]);
  });
});

describe('people', () => {
  const people = [
    person('Ada', { lossDown: 5 }),
    person('Bo', { leg: null }),
    person('Chen', { lossDown: 50 }),
  ];

  it('stand in the order of arrival unless asked otherwise', () => {
    expect(names(personRows(people, '', { column: 'arrival', descending: false }))).toEqual([
      'Ada',
      'Bo',
      'Chen',
    ]);
  });

  it('of whom nothing is known stand last in both directions', () => {
    const by = (descending: boolean) => names(personRows(people, '', { column: 'lossDown', descending }));
    expect(by(true)).toEqual(['Chen', 'Ada', 'Bo']);
    expect(by(false)).toEqual(['Ada', 'Chen', 'Bo']);
  });

  it('who are connected directly stand by what their page reports', () => {
    const reported = { quality: 'poor' as const, roundTripMs: 300, lossUpPermille: 1, lossDownPermille: 90 };
    const all = [...people, { ...person('Dalia', { leg: null }), reported }];
    expect(names(personRows(all, '', { column: 'lossDown', descending: true }))[0]).toBe('Dalia');
  });
});
