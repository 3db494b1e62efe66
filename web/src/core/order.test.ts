import { describe, expect, it } from 'vitest';
import type { LayoutTile } from './layout';
import { NO_ORDER, inOrder, nextOrder, type OrderInput, type TileOrder } from './order';

function camera(participant: string): LayoutTile {
  return { key: `${participant}/camera`, participant, source: 'camera', isSelf: participant === 'a' };
}

function screen(participant: string): LayoutTile {
  return { key: `${participant}/screen`, participant, source: 'screen', isSelf: participant === 'a' };
}

function next(order: TileOrder, names: string, change: Partial<OrderInput> = {}): TileOrder {
  const tiles = [...names].map(camera);
  return nextOrder(order, { tiles, speakers: [], large: new Set(), perPage: 25, ...change });
}

function names(order: TileOrder): string {
  return order.keys.map((key) => key.replace('/camera', '').replace('/screen', '*')).join('');
}

describe('tile order', () => {
  it('is the order of arrival', () => {
    expect(names(next(NO_ORDER, 'abc'))).toBe('abc');
    expect(names(next(next(NO_ORDER, 'abc'), 'acde'))).toBe('acde');
  });

  it('does not change when somebody on the first page speaks', () => {
    const order = next(NO_ORDER, 'abcde', { perPage: 5 });
    expect(names(next(order, 'abcde', { perPage: 5, speakers: ['d', 'b'] }))).toBe('abcde');
  });

  it('brings a speaker from another page to the place of whoever was quiet longest', () => {
    let order = next(NO_ORDER, 'abcdef', { perPage: 3 });
    order = next(order, 'abcdef', { perPage: 3, speakers: ['c'] });
    order = next(order, 'abcdef', { perPage: 3, speakers: ['f'] });
    expect(names(order)).toBe('afcdeb');
    expect(names(next(order, 'abcdef', { perPage: 3 }))).toBe('afcdeb');
  });

  it('moves nobody who speaks to make room', () => {
    const order = next(NO_ORDER, 'abcd', { perPage: 2, speakers: ['a', 'b', 'd'] });
    expect(names(order)).toBe('abcd');
  });

  it('does not count tiles that are large anyway', () => {
    const order = next(NO_ORDER, 'abcd', {
      perPage: 3,
      speakers: ['d'],
      large: new Set(['b/camera']),
    });
    expect(names(order)).toBe('abcd');
  });

  it("puts a screen beside its owner's camera without moving the others apart", () => {
    const order = next(NO_ORDER, 'abc');
    const tiles = [camera('a'), screen('b'), camera('b'), camera('c')];
    expect(names(next(order, '', { tiles }))).toBe('ab*bc');
  });

  it('sorts tiles, unknown ones last', () => {
    const order = next(NO_ORDER, 'cab');
    expect(
      inOrder(order, [...'xabc'].map(camera))
        .map(({ participant }) => participant)
        .join(''),
    ).toBe('cabx');
  });
});
