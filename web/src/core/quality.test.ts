import { describe, expect, it } from 'vitest';
import type { NetworkReport } from './proto';
import { LossWarning, blame, inboundRates, judge, ownReport, worstTransport } from './quality';
import { readSample } from './stats';
import type { ConnectionSample } from './stats';

/** What Chromium reports of a direct connection over UDP that receives a picture and sends one. */
function report(received: { bytes: number; packets: number; lost: number; frames: number }, up = {}) {
  return new Map<string, unknown>([
    ['T', { id: 'T', type: 'transport', selectedCandidatePairId: 'P' }],
    [
      'P',
      {
        id: 'P',
        type: 'candidate-pair',
        localCandidateId: 'L',
        currentRoundTripTime: 0.042,
        availableOutgoingBitrate: 400_000,
      },
    ],
    ['L', { id: 'L', type: 'local-candidate', candidateType: 'host', protocol: 'udp' }],
    ['C', { id: 'C', type: 'codec', mimeType: 'video/VP8' }],
    [
      'I',
      {
        id: 'I',
        type: 'inbound-rtp',
        kind: 'video',
        mid: '1',
        codecId: 'C',
        bytesReceived: received.bytes,
        packetsReceived: received.packets,
        packetsLost: received.lost,
        framesDecoded: received.frames,
        framesPerSecond: 30,
        frameWidth: 640,
        frameHeight: 360,
        jitter: 0.003,
      },
    ],
    [
      'O',
      {
        id: 'O',
        type: 'outbound-rtp',
        kind: 'video',
        ssrc: 9,
        bytesSent: 1,
        targetBitrate: 1_000_000,
        qualityLimitationReason: 'none',
        ...up,
      },
    ],
    ['R', { id: 'R', type: 'remote-inbound-rtp', localId: 'O', ssrc: 9, fractionLost: 0.01 }],
  ]);
}

const before = readSample(report({ bytes: 0, packets: 0, lost: 0, frames: 0 }), 0);

function later(
  received: { bytes: number; packets: number; lost: number; frames: number },
  up = {},
): ConnectionSample {
  return readSample(report(received, up), 1_000);
}

describe('rates', () => {
  it('follow from two moments of a stream', () => {
    const now = later({ bytes: 125_000, packets: 95, lost: 5, frames: 30 });
    const [rate] = inboundRates(before, now);
    expect(rate).toMatchObject({ kbps: 1_000, loss: 0.05, fps: 30 });
    expect(rate?.sample).toMatchObject({ width: 640, height: 360, codec: 'VP8', jitterMs: 3 });
    expect(now).toMatchObject({ transport: 'webrtc-udp', roundTripMs: 42 });
  });

  it('begin anew when a stream does (its counters went back)', () => {
    const old = later({ bytes: 900_000, packets: 900, lost: 90, frames: 300 });
    const now = { ...later({ bytes: 12_500, packets: 10, lost: 0, frames: 3 }), at: 2_000 };
    expect(inboundRates(old, now)[0]).toMatchObject({ kbps: 100, loss: 0 });
  });

  it('take a repaired loss, which lowers the count, as none', () => {
    const old = later({ bytes: 1, packets: 100, lost: 10, frames: 1 });
    const now = { ...later({ bytes: 2, packets: 200, lost: 4, frames: 2 }), at: 2_000 };
    expect(inboundRates(old, now)[0]?.loss).toBe(0);
  });
});

describe('judgement', () => {
  it('is good up to the limits and poor beyond them', () => {
    expect(judge(0.059, null, 0)).toBe('good');
    expect(judge(0.06, null, 0)).toBe('poor');
    expect(judge(0, 0.5, 0)).toBe('good');
    expect(judge(0, 0.49, 0)).toBe('poor');
    expect(judge(0, null, 2_999)).toBe('good');
    expect(judge(0, null, 3_000)).toBe('lost');
  });

  it('of my own network counts both directions, and bandwidth only when it limits', () => {
    const fine = later({ bytes: 1, packets: 100, lost: 0, frames: 1 });
    expect(ownReport([{ before, now: fine }], 0)).toEqual({
      quality: 'good',
      roundTripMs: 42,
      lossUpPermille: 10,
      lossDownPermille: 0,
    });
    const lossy = later({ bytes: 1, packets: 90, lost: 10, frames: 1 });
    expect(ownReport([{ before, now: lossy }], 0)).toMatchObject({ quality: 'poor', lossDownPermille: 100 });
    const limited = later(
      { bytes: 1, packets: 100, lost: 0, frames: 1 },
      { qualityLimitationReason: 'bandwidth' },
    );
    expect(ownReport([{ before, now: limited }], 0).quality).toBe('poor');
    expect(ownReport([], 4_000).quality).toBe('lost');
  });

  it('says whose side it is, and claims nothing that it does not know', () => {
    expect(blame('good', 'poor', 'poor', true)).toBe('none');
    expect(blame('poor', 'good', 'poor', null)).toBe('theirs');
    expect(blame('poor', 'poor', 'good', null)).toBe('mine');
    expect(blame('poor', 'poor', 'poor', null)).toBe('unknown');
    expect(blame('lost', 'good', 'good', true)).toBe('mine');
    expect(blame('lost', 'good', 'good', false)).toBe('theirs');
    expect(blame('lost', 'good', null, null)).toBe('unknown');
  });

  it('names the worst way that media takes', () => {
    expect(worstTransport(['webrtc-udp', 'webrtc-tcp', null])).toBe('webrtc-tcp');
    expect(worstTransport([null])).toBeNull();
    expect(worstTransport([])).toBeNull();
  });
});

describe('the loss warning', () => {
  const lossy = (permille: number): NetworkReport => ({
    quality: 'good',
    roundTripMs: 1,
    lossUpPermille: permille,
    lossDownPermille: 0,
  });

  it('comes once, after 5 s of 5 %, and again only after a recovery', () => {
    const warning = new LossWarning();
    expect(warning.update(lossy(50), 0)).toBe(false);
    expect(warning.update(lossy(60), 4_999)).toBe(false);
    expect(warning.update(lossy(60), 5_000)).toBe(true);
    expect(warning.update(lossy(60), 9_000)).toBe(false);
    expect(warning.update(lossy(10), 10_000)).toBe(false);
    expect(warning.update(lossy(60), 11_000)).toBe(false);
    expect(warning.update(lossy(60), 16_000)).toBe(true);
  });
});
