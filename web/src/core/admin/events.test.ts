import { describe, expect, it } from 'vitest';
import { EventReader } from './events';

function read(pieces: readonly string[]): string[] {
  const found: string[] = [];
  const reader = new EventReader((data) => found.push(data));
  for (const piece of pieces) reader.take(piece);
  return found;
}

describe('a stream of events', () => {
  const stream = 'data: {"a":1}\n\n: a comment\n\nevent: x\r\ndata:one\r\ndata: two\r\n\r\ndata: last\n\n';

  it('is read wherever it is cut', () => {
    const wanted = ['{"a":1}', 'one\ntwo', 'last'];
    expect(read([stream])).toEqual(wanted);
    expect(read([...stream])).toEqual(wanted);
    for (let cut = 1; cut < stream.length; cut += 1) {
      expect(read([stream.slice(0, cut), stream.slice(cut)])).toEqual(wanted);
    }
  });

  it('waits for the end of an event', () => {
    expect(read(['data: half', ' of it\n'])).toEqual([]);
  });

  it('does not fill the memory', () => {
    expect(() => read(['data: ', 'x'.repeat(9_000_000)])).toThrow();
  });
});
