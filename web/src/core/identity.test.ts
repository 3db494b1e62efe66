import { describe, expect, it } from 'vitest';
import { hostToken, keepHostToken, markInside, participantKey, wasJustInside } from './identity';

class Memory {
  readonly #values = new Map<string, string>();
  getItem(key: string): string | null {
    return this.#values.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.#values.set(key, value);
  }
}

const broken = {
  getItem: (): string => {
    throw new Error('storage is switched off');
  },
  setItem: (): void => {
    throw new Error('storage is full');
  },
};

describe('participantKey', () => {
  it('is the same for one person in one room, and another for anybody or anywhere else', () => {
    const storage = new Memory();
    const key = participantKey(storage, 'Garden', 'Ada');
    expect(participantKey(storage, 'garden', ' Ada ')).toBe(key);
    expect(participantKey(storage, 'garden', 'Bo')).not.toBe(key);
    expect(participantKey(storage, 'attic', 'Ada')).not.toBe(key);
    expect(key).toMatch(/^[0-9a-f]{32}$/);
  });

  it('is there without storage, too', () => {
    expect(participantKey(broken, 'garden', 'Ada')).toMatch(/^[0-9a-f]{32}$/);
    expect(hostToken(broken, 'garden')).toBeNull();
  });
});

it('keeps the host token of each room', () => {
  const storage = new Memory();
  keepHostToken(storage, 'Garden', 'secret');
  expect(hostToken(storage, 'garden')).toBe('secret');
  expect(hostToken(storage, 'attic')).toBeNull();
});

it('knows a reload from a second tab that is opened later', () => {
  const session = new Memory();
  expect(wasJustInside(session, 'key', 1_000)).toBe(false);
  markInside(session, 'key', 1_000);
  expect(wasJustInside(session, 'key', 3_000)).toBe(true);
  expect(wasJustInside(session, 'other', 3_000)).toBe(false);
  expect(wasJustInside(session, 'key', 20_000)).toBe(false);
});
