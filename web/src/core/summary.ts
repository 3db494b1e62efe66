import type { MeetingView } from './model';

/** How the connection was, in the figures of one sentence. */
export interface ConnectionSummary {
  /** How long the person was inside, in milliseconds. */
  durationMs: number;
  /** How often the server was lost and found again. */
  interruptions: number;
  /** The share of the time in which the person's own network was poor: 0 to 1. */
  poorShare: number;
}

/** Watches a meeting as it goes by; times are those of `performance.now()`. */
export class SummaryKeeper {
  #startedAt: number | null = null;
  #state: MeetingView['state'] = 'idle';
  #interruptions = 0;
  #poorSince: number | null = null;
  #poorMs = 0;

  push(view: Pick<MeetingView, 'state' | 'participants'>, nowMs: number): void {
    if (view.state === 'connected') this.#startedAt ??= nowMs;
    if (view.state === 'reconnecting' && this.#state === 'connected') this.#interruptions += 1;
    this.#state = view.state;
    const own = view.participants.find((participant) => participant.isSelf);
    const quality = own?.network?.quality ?? 'good';
    const isPoor = view.state === 'connected' && quality !== 'good';
    if (isPoor) this.#poorSince ??= nowMs;
    else this.#endPoor(nowMs);
  }

  /** Null for somebody who never got in. */
  finish(nowMs: number): ConnectionSummary | null {
    this.#endPoor(nowMs);
    if (this.#startedAt === null) return null;
    const durationMs = nowMs - this.#startedAt;
    return {
      durationMs,
      interruptions: this.#interruptions,
      poorShare: durationMs > 0 ? Math.min(1, this.#poorMs / durationMs) : 0,
    };
  }

  #endPoor(nowMs: number): void {
    if (this.#poorSince === null) return;
    this.#poorMs += nowMs - this.#poorSince;
    this.#poorSince = null;
  }
}
