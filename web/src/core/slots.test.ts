import { describe, expect, it } from 'vitest';
import type { Slots, VideoSlot } from './proto';
import { NO_ASSIGNMENTS, assign, frameArrived, slotsFor } from './slots';

function slot(mid: string, participant: string, more: Partial<VideoSlot> = {}): VideoSlot {
  return { mid, participant, source: 'camera', paused: false, ...more };
}

function slots(...video: VideoSlot[]): Slots {
  return { leg: 1, video, audio: [{ mid: '4', participant: 'ada', source: 'microphone' }] };
}

describe('assign', () => {
  it('shows nothing of a slot before a frame of its picture has arrived', () => {
    const first = assign(NO_ASSIGNMENTS, slots(slot('7', 'ada')));
    const awaited = first.video.get('7');
    expect(awaited).toMatchObject({ key: 'ada/camera', after: null, live: false });
    const shown = awaited && frameArrived(first, awaited);
    expect(shown?.video.get('7')?.live).toBe(true);
  });

  it('keeps a slot alive whose picture stays, also when it is paused', () => {
    let now = assign(NO_ASSIGNMENTS, slots(slot('7', 'ada')));
    const awaited = now.video.get('7');
    if (awaited) now = frameArrived(now, awaited);
    now = assign(now, slots(slot('7', 'ada', { paused: true }), slot('8', 'bo')));
    expect(now.video.get('7')).toMatchObject({ live: true, paused: true });
    expect(now.video.get('8')?.live).toBe(false);
  });

  it('waits for a frame after the previous picture when a slot changes hands', () => {
    let now = assign(NO_ASSIGNMENTS, slots(slot('7', 'ada')));
    const awaited = now.video.get('7');
    if (awaited) now = frameArrived(now, awaited);
    now = assign(now, slots(slot('7', 'bo', { after: 1_000 })));
    expect(now.video.get('7')).toMatchObject({ key: 'bo/camera', after: 1_000, live: false });
  });

  it('does not take a frame that was awaited for somebody else', () => {
    const before = assign(NO_ASSIGNMENTS, slots(slot('7', 'ada')));
    const awaited = before.video.get('7');
    const now = assign(before, slots(slot('7', 'bo', { after: 1_000 })));
    expect(awaited && frameArrived(now, awaited)).toBe(now);
  });

  it('tells a screen from a camera of the same person', () => {
    const now = assign(NO_ASSIGNMENTS, slots(slot('7', 'ada', { source: 'screen' })));
    expect(now.video.get('7')?.key).toBe('ada/screen');
    expect(now.audio.get('4')).toEqual({ mid: '4', participant: 'ada', source: 'microphone' });
  });
});

describe('slotsFor', () => {
  it('grows in steps, never shrinks and ends at 25', () => {
    expect(slotsFor(0, 0)).toBe(4);
    expect(slotsFor(4, 4)).toBe(4);
    expect(slotsFor(5, 4)).toBe(9);
    expect(slotsFor(2, 9)).toBe(9);
    expect(slotsFor(60, 16)).toBe(25);
  });
});
