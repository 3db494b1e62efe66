/** What is said about the connection to the server, and when. */
import type { MeetingView } from '../../../core/model';

/** Shorter losses are nobody's business, in milliseconds. */
export const BANNER_AFTER_MS = 2_000;
/** After this long people are also told how to get out, in milliseconds. */
export const WAY_OUT_AFTER_MS = 5_000;

export type ConnectionNotice = { kind: 'joining' | 'reconnecting'; wayOut: boolean } | null;

/** `joiningSince` and `now` are on the clock of `performance.now()`. */
export function connectionNotice(
  { state, disconnectedSince }: Pick<MeetingView, 'state' | 'disconnectedSince'>,
  joiningSince: number | null,
  now: number,
): ConnectionNotice {
  if (state === 'joining' && joiningSince !== null) {
    const waited = now - joiningSince;
    return waited < 300 ? null : { kind: 'joining', wayOut: waited >= WAY_OUT_AFTER_MS };
  }
  if (disconnectedSince === null || state === 'left') return null;
  const waited = now - disconnectedSince;
  return waited < BANNER_AFTER_MS ? null : { kind: 'reconnecting', wayOut: waited >= WAY_OUT_AFTER_MS };
}
