/**
 * What this browser keeps of a room: who the person is to the server, and that it made the room.
 */

/** What is used of `localStorage` and `sessionStorage`. */
export interface KeyValue {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

/** A page that was inside so short a time ago is being reloaded: its own ghost need not be asked about. */
const RELOAD_WITHIN_MS = 10_000;

const KEY = 'conclave.participant';
const HOST = 'conclave.host';
const INSIDE = 'conclave.inside';

/**
 * The key by which the server knows a person's second page. One for each room and name, so that two
 * people who share a browser (or a test with two names) are two.
 */
export function participantKey(storage: KeyValue, room: string, name: string): string {
  const at = `${KEY}/${room.toLowerCase()}/${name.trim()}`;
  const kept = read(storage, at);
  if (kept) return kept;
  const made = randomKey();
  write(storage, at, made);
  return made;
}

export function hostToken(storage: KeyValue, room: string): string | null {
  return read(storage, `${HOST}/${room.toLowerCase()}`);
}

export function keepHostToken(storage: KeyValue, room: string, token: string): void {
  write(storage, `${HOST}/${room.toLowerCase()}`, token);
}

/** Notes that this tab is in the room, at `now` (milliseconds since 1970); kept over a reload of this tab only. */
export function markInside(session: KeyValue, key: string, now: number): void {
  write(session, INSIDE, `${now}/${key}`);
}

/** Whether this very tab was in the room with this key a moment ago. */
export function wasJustInside(session: KeyValue, key: string, now: number): boolean {
  const [at, kept] = (read(session, INSIDE) ?? '').split('/');
  return kept === key && Math.abs(now - Number(at)) < RELOAD_WITHIN_MS;
}

/** 128 random bits, URL-safe. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Storage may be switched off or full: the meeting works without it, only not as the same person later.
function read(storage: KeyValue, key: string): string | null {
  try {
    return storage.getItem(key);
  } catch {
    return null;
  }
}

function write(storage: KeyValue, key: string, value: string): void {
  try {
    storage.setItem(key, value);
  } catch {
    // See above.
  }
}
