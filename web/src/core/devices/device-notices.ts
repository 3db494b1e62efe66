import type { Clock } from '../clock';
import type { Notice } from '../model';
import { Store } from '../store';

/** Every notice about devices, with the values of its sentence below `notice.`. */
export interface DeviceNoticeValues {
  /** A new device could be used; the notice's action does so. */
  'device-plugged-in': { device: string };
  /** What was in use is gone and another device of its kind has taken over. */
  'microphone-lost': { device: string; next: string };
  'camera-lost': { device: string; next: string };
  'speaker-lost': { device: string };
  /** What was in use is gone and there is no other. */
  'microphone-lost-none': { device: string };
  'camera-lost-none': { device: string };
  /** The remembered device is not there; another one was opened. */
  'microphone-substituted': { next: string };
  'camera-substituted': { next: string };
  'microphone-refused': Empty;
  'microphone-missing': Empty;
  'microphone-busy': Empty;
  'microphone-failed': Empty;
  'camera-refused': Empty;
  'camera-missing': Empty;
  'camera-busy': Empty;
  'camera-failed': Empty;
  'insecure-page': Empty;
  'unsupported-browser': Empty;
}

export type DeviceNoticeKind = keyof DeviceNoticeValues;
type Empty = Record<string, never>;

/** A notice that can be acted on. */
export interface DeviceNotice extends Notice {
  kind: DeviceNoticeKind;
  /** Uses the device that the notice is about. */
  use?: () => void;
  /** Says that something could not be started; the green room shows that in its own place. */
  isProblem: boolean;
}

/** How long a notice stays, in milliseconds; one that asks something stays longer. */
const STAY_MS = 8_000;
const STAY_WITH_ACTION_MS = 20_000;
/** Most notices kept at once. */
const MOST = 3;

/** Ids count down from -1, so that they never meet those of the meeting's notices. */
export class DeviceNotices {
  readonly list = new Store<DeviceNotice[]>([]);
  readonly #clock: Clock;
  #nextId = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add<Kind extends DeviceNoticeKind>(
    kind: Kind,
    values: DeviceNoticeValues[Kind],
    extra: { tone?: Notice['tone']; use?: () => void; isProblem?: boolean } = {},
  ): void {
    const { tone = 'warning', use, isProblem = false } = extra;
    const id = this.#nextId--;
    const notice: DeviceNotice = { id, kind, values, tone, isProblem, ...(use ? { use } : {}) };
    this.list.update((list) => [...list.filter((other) => other.kind !== kind), notice].slice(-MOST));
    this.#clock.after(use ? STAY_WITH_ACTION_MS : STAY_MS, () => this.dismiss(id));
  }

  dismiss(id: number): void {
    this.list.update((list) => list.filter((notice) => notice.id !== id));
  }
}
