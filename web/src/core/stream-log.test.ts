import { describe, expect, it } from 'vitest';
import { StreamLog, type ObservedConnection } from './stream-log';
import type { ConnectionSample, InboundSample, OutboundSample } from './stats';

function outbound(mid: string, rid: string, bytes: number): OutboundSample {
  return {
    mid,
    rid,
    kind: 'video',
    active: true,
    bytes,
    targetKbps: null,
    limited: false,
    loss: 0.02,
    jitterMs: 3,
    roundTripMs: 40,
    codec: 'VP8',
  };
}

function inbound(mid: string, bytes: number): InboundSample {
  return {
    mid,
    kind: 'audio',
    bytes,
    packets: bytes / 100,
    lost: 0,
    jitterMs: 5,
    frames: 0,
    width: 0,
    height: 0,
    fps: null,
    codec: 'opus',
  };
}

/** The connection in its nth second: a camera in two sizes goes up, of which the large is off; Bo's voice comes. */
function second(n: number, speaker = 'bo'): ObservedConnection {
  const at = (seconds: number): ConnectionSample => ({
    at: seconds * 1_000,
    transport: 'webrtc-udp',
    roundTripMs: 20,
    availableUpKbps: null,
    inbound: [inbound('9', seconds * 4_000)],
    outbound: [outbound('1', 'h', 0), outbound('1', 'l', seconds * 12_500)],
  });
  return {
    id: 'sfu/1',
    peer: null,
    before: at(n - 1),
    now: at(n),
    sent: (mid) => (mid === '1' ? { source: 'camera', participant: null } : null),
    received: () => ({ source: 'microphone', participant: speaker }),
  };
}

describe('the log of streams', () => {
  it('knows rate, loss, round trip, jitter, layer and path of each', () => {
    const log = new StreamLog();
    log.update([second(1)]);
    log.update([second(2)]);
    expect(log.streams).toEqual([
      expect.objectContaining({
        direction: 'down',
        source: 'microphone',
        participant: 'bo',
        kbps: 32,
        loss: 0,
        roundTripMs: 20,
        jitterMs: 5,
        history: [32, 32],
      }),
      expect.objectContaining({
        direction: 'up',
        source: 'camera',
        participant: null,
        layer: 0,
        kbps: 100,
        loss: 0.02,
        roundTripMs: 40,
        jitterMs: 3,
        codec: 'VP8',
        path: { direct: false, transport: 'webrtc-udp' },
        history: [100, 100],
      }),
    ]);
  });

  it('remembers a minute, and nothing of a section that carries somebody else now', () => {
    const log = new StreamLog();
    for (let n = 1; n <= 70; n += 1) log.update([second(n)]);
    expect(log.streams.map(({ history }) => history.length)).toEqual([60, 60]);
    log.update([second(71, 'chen')]);
    expect(log.streams[0]).toMatchObject({ participant: 'chen', history: [32] });
  });

  it('forgets what is gone', () => {
    const log = new StreamLog();
    log.update([second(1)]);
    log.update([]);
    expect(log.streams).toEqual([]);
  });
});
