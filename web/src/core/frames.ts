import type { Clock } from './clock';

const POLL_MS = 50;
/** How long to wait for RTP timestamps before counting decoded frames instead. */
const TIMESTAMP_PATIENCE_MS = 600;

/** Whether RTP timestamp `a` is later than `b`, modulo 2^32 (RFC 3550, section 5.1). */
export function isLater(a: number, b: number): boolean {
  const ahead = (a - b) >>> 0;
  return ahead !== 0 && ahead < 0x8000_0000;
}

/** What is read of an `RTCRtpReceiver`. */
export interface FrameSource {
  getSynchronizationSources?(): { rtpTimestamp?: number }[];
  getStats(): Promise<RTCStatsReport>;
}

/**
 * Tells when a receiver has delivered a frame that belongs to the picture awaited.
 *
 * `after`: frames up to this RTP timestamp are of another picture; null: the next frame counts. The
 * timestamp of the last frame delivered comes from `getSynchronizationSources`, which unlike
 * `requestVideoFrameCallback` works without an element and in hidden pages.
 */
export function watchForFrame(
  source: FrameSource,
  after: number | null,
  clock: Clock,
  onFrame: () => void,
): () => void {
  const startedAt = clock.now();
  const baseline = latestTimestamp(source);
  let baselineFrames: number | null = null;
  let counting = false;
  let ended = false;
  let cancel = (): void => undefined;

  const finish = (): void => {
    if (ended) return;
    ended = true;
    cancel();
    onFrame();
  };
  const count = (): void => {
    counting = true;
    void decodedFrames(source).then((frames) => {
      counting = false;
      if (frames === null) return;
      if (baselineFrames === null || frames < baselineFrames) baselineFrames = frames;
      else if (frames > baselineFrames) finish();
    });
  };
  const poll = (): void => {
    const latest = latestTimestamp(source);
    if (latest !== null) {
      if (after !== null ? isLater(latest, after) : latest !== baseline) {
        finish();
        return;
      }
    } else if (!counting && clock.now() - startedAt >= TIMESTAMP_PATIENCE_MS) {
      count();
    }
    cancel = clock.after(POLL_MS, poll);
  };
  cancel = clock.after(0, poll);
  return () => {
    ended = true;
    cancel();
  };
}

function latestTimestamp(source: FrameSource): number | null {
  const sources = source.getSynchronizationSources?.() ?? [];
  return sources[0]?.rtpTimestamp ?? null;
}

async function decodedFrames(source: FrameSource): Promise<number | null> {
  try {
    for (const stats of (await source.getStats()).values() as Iterable<Record<string, unknown>>) {
      if (stats.type === 'inbound-rtp' && typeof stats.framesDecoded === 'number') return stats.framesDecoded;
    }
  } catch {
    // The connection was closed meanwhile.
  }
  return null;
}
