import type { Clock } from './clock';
import type { Notice } from './model';
import { Store } from './store';

/**
 * Every notice that this folder can raise, with the values that fill it in. The page needs a
 * sentence for each below `notice.` in every language; `Record<NoticeKind, …>` makes a missing one
 * a compile error.
 */
export interface NoticeValues {
  /** Somebody came in. */
  joined: { name: string };
  /** Somebody left on purpose. */
  left: { name: string };
  /** Somebody's connection was lost and did not come back. */
  lost: { name: string };
  /** Somebody raised a hand. */
  'hand-raised': { name: string };
  /** Somebody began or stopped sharing a screen. */
  'screen-started': { name: string };
  'screen-stopped': { name: string };
  /** A message came in while the chat is closed. */
  'chat-received': { name: string };
  /** The host locked or unlocked the room. */
  'room-locked': Empty;
  'room-unlocked': Empty;
  /** Media now goes directly between the two, or through the server. */
  'now-direct': Empty;
  'now-server': Empty;
  /** My media path could not be made; the meeting tries on. */
  'path-failed-self': Empty;
  /** Somebody else's media path could not be made. */
  'path-failed-other': { name: string };
  /** The connection to the server is back; nothing was missed. */
  reconnected: Empty;
  /** The page had to join anew (the server was restarted, or we were away for long). */
  rejoined: Empty;
  /** The server is about to restart; the page comes back by itself. */
  'server-closing': Empty;
  /** My own network has lost 5 % or more for 5 s. */
  'network-poor': Empty;
  /** The browser plays no sound before a click or a key press. */
  'sound-blocked': Empty;
  /** The chosen speaker cannot be used. */
  'speaker-failed': Empty;
  /** Screen sharing was refused by the browser or the system, or is not possible here. */
  'screen-refused': Empty;
  'screen-unsupported': Empty;
  /** The browser or the system ended the sharing of my screen. */
  'screen-ended': Empty;
  /** The server refused what was asked for lack of permission. */
  forbidden: Empty;
  /** Too many requests; try again in a moment. */
  'slow-down': Empty;
  /** A name that the server does not take. */
  'name-refused': Empty;
  /** Options that the server does not take. */
  'options-refused': Empty;
  /** Anything else that was asked and did not work. */
  'request-failed': Empty;
}

export type NoticeKind = keyof NoticeValues;
type Empty = Record<string, never>;

const TONES: Partial<Record<NoticeKind, Notice['tone']>> = {
  lost: 'warning',
  'path-failed-self': 'error',
  'path-failed-other': 'warning',
  'server-closing': 'warning',
  'network-poor': 'warning',
  'sound-blocked': 'warning',
  'speaker-failed': 'error',
  'screen-refused': 'warning',
  'screen-unsupported': 'error',
  forbidden: 'error',
  'slow-down': 'warning',
  'name-refused': 'error',
  'options-refused': 'error',
  'request-failed': 'error',
};

/** Most notices kept at once; the oldest gives way. */
const MOST = 5;
/** How long a notice stays, in milliseconds: errors long enough to be read twice. */
const STAY_MS = { info: 4_000, warning: 7_000, error: 10_000 } as const;

/** A notice that a reducer asks for. */
export type NoticeDraft = {
  [Kind in NoticeKind]: { kind: Kind; values: NoticeValues[Kind] };
}[NoticeKind];

/** The transient messages on the screen. */
export class Notices {
  readonly list = new Store<Notice[]>([]);
  readonly #clock: Clock;
  #nextId = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add<Kind extends NoticeKind>(kind: Kind, values: NoticeValues[Kind]): void {
    const tone = TONES[kind] ?? 'info';
    const id = this.#nextId++;
    const notice: Notice = { id, kind, values, tone };
    // The same thing said again replaces what still stands, so that a flapping network does not fill the screen.
    const same = JSON.stringify([kind, values]);
    this.list.update((list) =>
      [...list.filter((other) => JSON.stringify([other.kind, other.values]) !== same), notice].slice(-MOST),
    );
    this.#clock.after(STAY_MS[tone], () => this.dismiss(id));
  }

  addDraft(draft: NoticeDraft): void {
    this.add(draft.kind, draft.values);
  }

  dismiss(id: number): void {
    if (this.list.get().some((notice) => notice.id === id)) {
      this.list.update((list) => list.filter((notice) => notice.id !== id));
    }
  }
}
