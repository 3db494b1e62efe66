import { describe, expect, it } from 'vitest';
import type { FrameSource } from './frames';
import { isLater, watchForFrame } from './frames';
import { VirtualClock } from './virtual-clock';

class FakeReceiver implements FrameSource {
  timestamp: number | null = null;
  decoded = 0;
  getSynchronizationSources(): { rtpTimestamp?: number }[] {
    return this.timestamp === null ? [] : [{ rtpTimestamp: this.timestamp }];
  }
  getStats(): Promise<RTCStatsReport> {
    return Promise.resolve(
      new Map([['v', { type: 'inbound-rtp', framesDecoded: this.decoded }]]) as unknown as RTCStatsReport,
    );
  }
}

describe('isLater', () => {
  it('compares modulo 2^32', () => {
    expect(isLater(2, 1)).toBe(true);
    expect(isLater(1, 2)).toBe(false);
    expect(isLater(1, 1)).toBe(false);
    expect(isLater(5, 0xffff_fff0)).toBe(true);
    expect(isLater(0xffff_fff0, 5)).toBe(false);
  });
});

describe('watchForFrame', () => {
  it('waits for a frame after the given timestamp, also across the wrap', async () => {
    const clock = new VirtualClock();
    const receiver = new FakeReceiver();
    receiver.timestamp = 0xffff_ff00;
    let arrived = 0;
    watchForFrame(receiver, 0xffff_ffff, clock, () => (arrived += 1));
    await clock.advance(500);
    receiver.timestamp = 0xffff_ffff;
    await clock.advance(500);
    expect(arrived).toBe(0);
    receiver.timestamp = 3_000;
    await clock.advance(100);
    expect(arrived).toBe(1);
    await clock.advance(1_000);
    expect(arrived).toBe(1);
  });

  it('takes the next frame where none is excluded, but not the one that stands already', async () => {
    const clock = new VirtualClock();
    const receiver = new FakeReceiver();
    receiver.timestamp = 100;
    let arrived = 0;
    watchForFrame(receiver, null, clock, () => (arrived += 1));
    await clock.advance(2_000);
    expect(arrived).toBe(0);
    receiver.timestamp = 200;
    await clock.advance(100);
    expect(arrived).toBe(1);
  });

  it('counts decoded frames where the browser tells no timestamps', async () => {
    const clock = new VirtualClock();
    const receiver = new FakeReceiver();
    receiver.decoded = 10;
    let arrived = 0;
    watchForFrame(receiver, 5, clock, () => (arrived += 1));
    await clock.advance(2_000);
    expect(arrived).toBe(0);
    receiver.decoded = 11;
    await clock.advance(200);
    expect(arrived).toBe(1);
  });

  it('says nothing after it was ended', async () => {
    const clock = new VirtualClock();
    const receiver = new FakeReceiver();
    let arrived = 0;
    const end = watchForFrame(receiver, null, clock, () => (arrived += 1));
    end();
    receiver.timestamp = 7;
    await clock.advance(1_000);
    expect(arrived).toBe(0);
  });
});
