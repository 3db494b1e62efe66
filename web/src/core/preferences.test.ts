import { describe, expect, it } from 'vitest';
import { MOST_RECENT, Preferences } from './preferences';

class MemoryStorage {
  readonly values = new Map<string, string>();
  getItem(key: string): string | null {
    return this.values.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.values.set(key, value);
  }
  removeItem(key: string): void {
    this.values.delete(key);
  }
}

const refusing = {
  getItem(): string | null {
    throw new DOMException('storage is off', 'SecurityError');
  },
  setItem(): void {
    throw new DOMException('storage is full', 'QuotaExceededError');
  },
  removeItem(): void {
    throw new DOMException('storage is off', 'SecurityError');
  },
};

describe('preferences', () => {
  it('are there again in the next page', () => {
    const storage = new MemoryStorage();
    new Preferences(storage).set('name', '王小明');
    expect(new Preferences(storage).get('name')).toBe('王小明');
  });

  it.each([
    ['nothing', null],
    ['a storage that throws', refusing],
  ])('hold for the page when there is %s to remember them', (_, storage) => {
    const preferences = new Preferences(storage);
    expect(preferences.get('theme')).toBe('system');
    preferences.set('theme', 'dark');
    expect(preferences.get('theme')).toBe('dark');
  });

  it('fall back where what is stored is not of their form, one by one', () => {
    const storage = new MemoryStorage();
    storage.setItem('conclave.theme', '"purple"');
    storage.setItem('conclave.name', '{"not":"text"}');
    storage.setItem('conclave.microphone', '{"id":7}');
    storage.setItem('conclave.recent', '[{"room":"a"}]');
    storage.setItem('conclave.camera', 'no JSON');
    storage.setItem('conclave.cameraOn', 'false');
    const preferences = new Preferences(storage);
    expect(preferences.get('theme')).toBe('system');
    expect(preferences.get('name')).toBe('');
    expect(preferences.get('microphone')).toBeNull();
    expect(preferences.get('recent')).toEqual([]);
    expect(preferences.get('camera')).toBeNull();
    expect(preferences.get('cameraOn')).toBe(false);
  });

  it('tell those who watch', () => {
    const preferences = new Preferences(null);
    const seen: string[] = [];
    preferences.all.subscribe(({ name }) => seen.push(name));
    preferences.set('name', 'Ada');
    expect(seen).toEqual(['', 'Ada']);
  });

  it('keep the last meetings, newest first and each once', () => {
    const preferences = new Preferences(null);
    for (let i = 0; i <= MOST_RECENT; i++) preferences.visit(`room-${i}`, i);
    preferences.visit('room-5', 100);
    const rooms = preferences.get('recent').map(({ room }) => room);
    expect(rooms).toHaveLength(MOST_RECENT);
    expect(rooms.slice(0, 2)).toEqual(['room-5', `room-${MOST_RECENT}`]);
    expect(rooms).not.toContain('room-0');
    preferences.forget('room-5');
    expect(preferences.get('recent').map(({ room }) => room)).not.toContain('room-5');
  });
});
