/**
 * What the browser remembers for a person. Everything here may be missing (private mode, storage
 * refused, written by another version): reading never fails, it falls back.
 */
import { Store } from './store';
import type { Readable } from './model';

/** A device as it was chosen: its id holds until permission is revoked, its label longer. */
export interface RememberedDevice {
  id: string;
  label: string;
}

export interface RecentMeeting {
  room: string;
  /** Milliseconds since 1970-01-01 UTC. */
  visitedAtMs: number;
}

export interface PreferenceValues {
  name: string;
  /** A BCP 47 tag of the page's languages, or null for the browser's. */
  locale: string | null;
  theme: 'system' | 'light' | 'dark';
  microphone: RememberedDevice | null;
  camera: RememberedDevice | null;
  speaker: RememberedDevice | null;
  microphoneOn: boolean;
  cameraOn: boolean;
  /** Newest first. */
  recent: readonly RecentMeeting[];
  /** Keys act on the meeting (WCAG 2.1.4: they can be switched off). */
  shortcuts: boolean;
  /** How much a screen reader is told: everything, only what concerns the person, or nothing. */
  announcements: 'all' | 'important' | 'none';
  /** Own picture in the meeting. */
  selfView: boolean;
  layout: 'grid' | 'speaker';
}

const DEFAULTS: PreferenceValues = {
  name: '',
  locale: null,
  theme: 'system',
  microphone: null,
  camera: null,
  speaker: null,
  microphoneOn: true,
  cameraOn: true,
  recent: [],
  shortcuts: true,
  announcements: 'all',
  selfView: true,
  layout: 'grid',
};

/** Most meetings that are remembered. */
export const MOST_RECENT = 8;

type Check<T> = (value: unknown) => value is T;

const isText: Check<string> = (value): value is string => typeof value === 'string' && value.length <= 256;
const isFlag: Check<boolean> = (value): value is boolean => typeof value === 'boolean';
const isOneOf =
  <T extends string>(...allowed: T[]): Check<T> =>
  (value): value is T =>
    allowed.includes(value as T);
const isNullOr =
  <T>(check: Check<T>): Check<T | null> =>
  (value): value is T | null =>
    value === null || check(value);
const isDevice: Check<RememberedDevice> = (value): value is RememberedDevice =>
  isRecord(value) && isText(value.id) && isText(value.label);
const isRecent: Check<readonly RecentMeeting[]> = (value): value is RecentMeeting[] =>
  Array.isArray(value) &&
  value.length <= MOST_RECENT &&
  value.every((entry) => isRecord(entry) && isText(entry.room) && Number.isFinite(entry.visitedAtMs));

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

const CHECKS: { [Key in keyof PreferenceValues]: Check<PreferenceValues[Key]> } = {
  name: isText,
  locale: isNullOr(isText),
  theme: isOneOf('system', 'light', 'dark'),
  microphone: isNullOr(isDevice),
  camera: isNullOr(isDevice),
  speaker: isNullOr(isDevice),
  microphoneOn: isFlag,
  cameraOn: isFlag,
  recent: isRecent,
  shortcuts: isFlag,
  announcements: isOneOf('all', 'important', 'none'),
  selfView: isFlag,
  layout: isOneOf('grid', 'speaker'),
};

const PREFIX = 'conclave.';

type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export class Preferences {
  readonly #storage: KeyValueStorage | null;
  readonly #values: Store<PreferenceValues>;

  constructor(storage: KeyValueStorage | null = browserStorage()) {
    this.#storage = storage;
    this.#values = new Store(this.#read());
  }

  get all(): Readable<PreferenceValues> {
    return this.#values;
  }

  get<Key extends keyof PreferenceValues>(key: Key): PreferenceValues[Key] {
    return this.#values.get()[key];
  }

  /** Holds for this page even when the browser refuses to remember it. */
  set<Key extends keyof PreferenceValues>(key: Key, value: PreferenceValues[Key]): void {
    this.#values.update((values) => ({ ...values, [key]: value }));
    try {
      this.#storage?.setItem(PREFIX + key, JSON.stringify(value));
    } catch {
      // Full or forbidden: forgetting is all that happens.
    }
  }

  /** Puts a meeting first among the recent ones. */
  visit(room: string, nowMs: number): void {
    const others = this.get('recent').filter((meeting) => meeting.room !== room);
    this.set('recent', [{ room, visitedAtMs: nowMs }, ...others].slice(0, MOST_RECENT));
  }

  forget(room: string): void {
    this.set(
      'recent',
      this.get('recent').filter((meeting) => meeting.room !== room),
    );
  }

  #read(): PreferenceValues {
    const values: Record<string, unknown> = { ...DEFAULTS };
    for (const [key, check] of Object.entries(CHECKS)) {
      const value = this.#readOne(key);
      if (check(value)) values[key] = value;
    }
    // Each entry is a default or has passed the check of its own key.
    return values as unknown as PreferenceValues;
  }

  #readOne(key: string): unknown {
    try {
      return JSON.parse(this.#storage?.getItem(PREFIX + key) ?? 'undefined');
    } catch {
      return undefined;
    }
  }
}

/** `localStorage`, or null where even touching it throws. */
function browserStorage(): KeyValueStorage | null {
  try {
    return globalThis.localStorage;
  } catch {
    return null;
  }
}
