/**
 * Which slot shows what, and since when: the part of the SFU path that needs no browser.
 */
import { isVideoSource, tileKey } from './path';
import type { AudioSource } from './path';
import type { Slots } from './proto';

export interface VideoAssignment {
  readonly mid: string;
  /** The tile whose picture the slot carries. */
  readonly key: string;
  /** Frames up to this RTP timestamp are of whoever had the slot before; null while the slot is new. */
  readonly after: number | null;
  readonly paused: boolean;
  /** A frame of this assignment has arrived. */
  readonly live: boolean;
}

export interface AudioAssignment {
  readonly mid: string;
  readonly participant: string;
  readonly source: AudioSource;
}

export interface Assignments {
  /** By mid. */
  readonly video: ReadonlyMap<string, VideoAssignment>;
  /** By mid. */
  readonly audio: ReadonlyMap<string, AudioAssignment>;
}

export const NO_ASSIGNMENTS: Assignments = { video: new Map(), audio: new Map() };

/** What the slots carry now. A slot that keeps its picture stays live; any other has to deliver a frame first. */
export function assign(before: Assignments, slots: Slots): Assignments {
  const video = new Map<string, VideoAssignment>();
  for (const { mid, participant, source, after, paused } of slots.video) {
    if (!isVideoSource(source)) continue;
    const key = tileKey(participant, source);
    const held = before.video.get(mid);
    const same = held?.key === key && held.after === (after ?? null);
    video.set(mid, { mid, key, after: after ?? null, paused, live: same && held.live });
  }
  const audio = new Map<string, AudioAssignment>();
  for (const { mid, participant, source } of slots.audio) {
    if (isVideoSource(source)) continue;
    audio.set(mid, { mid, participant, source });
  }
  return { video, audio };
}

/** After a frame of `awaited` arrived; what was assigned anew meanwhile is not touched. */
export function frameArrived(assignments: Assignments, awaited: VideoAssignment): Assignments {
  const held = assignments.video.get(awaited.mid);
  if (!held || held.live || held.key !== awaited.key || held.after !== awaited.after) return assignments;
  const video = new Map(assignments.video).set(held.mid, { ...held, live: true });
  return { ...assignments, video };
}

/** Steps in which a leg's video slots grow: few sections for few people, few negotiations for many. */
const SLOT_STEPS = [4, 9, 16, 25] as const;

/** How many video slots a leg should have to show `wanted` pictures; never fewer than it has. */
export function slotsFor(wanted: number, have: number): number {
  const step = SLOT_STEPS.find((size) => size >= wanted) ?? SLOT_STEPS[SLOT_STEPS.length - 1] ?? 25;
  return Math.max(step, have);
}
