import type { VisibleTile } from './model';
import type { Participant, ViewItem } from './proto';
import { LIMITS } from './proto';

/** What a page asks for before it has drawn its tiles. */
const DEFAULT_SIZE = { width: 640, height: 360 } as const;
/** Device pixels; what the protocol's field can carry. */
const MOST_PIXELS = 65_535;

/** What the stage shows, in the protocol's words. The own pictures come from no server. */
export function visibleItems(tiles: readonly VisibleTile[], self: string): ViewItem[] {
  const items: ViewItem[] = [];
  for (const { key, width, height, priority } of tiles) {
    const split = key.lastIndexOf('/');
    const participant = key.slice(0, split);
    const source = key.slice(split + 1);
    if (participant === self || (source !== 'camera' && source !== 'screen')) continue;
    items.push({ participant, source, width: pixels(width), height: pixels(height), priority });
  }
  return items.slice(0, LIMITS.videoSlots);
}

/** Everybody's pictures, screens first. */
export function defaultItems(participants: readonly Participant[], self: string): ViewItem[] {
  const others = participants.filter((participant) => participant.id !== self);
  const screens = others.filter((other) => other.media.screen);
  return [
    ...screens.map(({ id }): ViewItem => ({
      participant: id,
      source: 'screen',
      ...DEFAULT_SIZE,
      priority: 3,
    })),
    ...others.map(({ id }): ViewItem => ({
      participant: id,
      source: 'camera',
      ...DEFAULT_SIZE,
      priority: 1,
    })),
  ].slice(0, LIMITS.videoSlots);
}

function pixels(length: number): number {
  return Math.min(MOST_PIXELS, Math.max(1, Math.round(length) || 1));
}
