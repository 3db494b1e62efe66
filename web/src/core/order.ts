/**
 * In which order tiles are shown. People stay where they are; only when there are more than fit on
 * a page does somebody who speaks change places with whoever on the first page was quiet longest.
 */
import type { LayoutTile } from './layout';

export interface TileOrder {
  /** Keys, the first page's first. */
  readonly keys: readonly string[];
  /** When a participant was last among the speakers, in turns of `clock`. */
  readonly spoke: ReadonlyMap<string, number>;
  readonly clock: number;
}

export const NO_ORDER: TileOrder = { keys: [], spoke: new Map(), clock: 0 };

export interface OrderInput {
  /** In order of arrival. */
  tiles: readonly LayoutTile[];
  /** Participants, loudest first. */
  speakers: readonly string[];
  /** Tiles that are shown large on every page: they have no place among the others. */
  large: ReadonlySet<string>;
  /** How many of the other tiles the first page shows. */
  perPage: number;
}

export function nextOrder(previous: TileOrder, input: OrderInput): TileOrder {
  const byKey = new Map(input.tiles.map((tile) => [tile.key, tile]));
  const clock = previous.clock + (input.speakers.length > 0 ? 1 : 0);
  const spoke = new Map(
    input.tiles.flatMap(({ participant }) => {
      const at = input.speakers.includes(participant) ? clock : previous.spoke.get(participant);
      return at === undefined ? [] : [[participant, at] as const];
    }),
  );
  const keys = merge(previous.keys, input.tiles);
  promoteSpeakers(keys, input, byKey, spoke);
  return { keys, spoke, clock };
}

/** The tiles in this order. */
export function inOrder<T extends { key: string }>(order: TileOrder, tiles: readonly T[]): T[] {
  const place = new Map(order.keys.map((key, index) => [key, index]));
  const last = order.keys.length;
  return [...tiles].sort((a, b) => (place.get(a.key) ?? last) - (place.get(b.key) ?? last));
}

/**
 * The previous order without those who went, and with those who came: a participant's further tile
 * beside the one already there, as arrival has it, anybody new at the end.
 */
function merge(previous: readonly string[], tiles: readonly LayoutTile[]): string[] {
  const known = new Set(previous);
  const present = new Map(tiles.map((tile) => [tile.key, tile]));
  const keys = previous.filter((key) => present.has(key));
  for (const tile of tiles) {
    if (known.has(tile.key)) continue;
    const beside = keys.findIndex((key) => present.get(key)?.participant === tile.participant);
    if (beside < 0) keys.push(tile.key);
    else keys.splice(tile.source === 'screen' ? beside : beside + 1, 0, tile.key);
  }
  return keys;
}

function promoteSpeakers(
  keys: string[],
  { speakers, large, perPage }: OrderInput,
  byKey: ReadonlyMap<string, LayoutTile>,
  spoke: ReadonlyMap<string, number>,
): void {
  for (const speaker of speakers.slice(0, perPage)) {
    const paged = keys.filter((key) => !large.has(key));
    const from = paged.findIndex((key) => {
      const tile = byKey.get(key);
      return tile?.participant === speaker && tile.source === 'camera';
    });
    if (from < perPage) continue;
    const quiet = quietest(paged.slice(0, perPage), speakers, byKey, spoke);
    const mover = paged[from];
    if (quiet === null || mover === undefined) continue;
    const [a, b] = [keys.indexOf(quiet), keys.indexOf(mover)];
    [keys[a], keys[b]] = [mover, quiet];
  }
}

/** Whoever of these has not spoken for longest; of several, the one furthest from the start. */
function quietest(
  page: readonly string[],
  speakers: readonly string[],
  byKey: ReadonlyMap<string, LayoutTile>,
  spoke: ReadonlyMap<string, number>,
): string | null {
  let found: { key: string; at: number } | null = null;
  for (const key of page) {
    const tile = byKey.get(key);
    if (!tile || tile.source === 'screen' || speakers.includes(tile.participant)) continue;
    const at = spoke.get(tile.participant) ?? 0;
    if (!found || at <= found.at) found = { key, at };
  }
  return found?.key ?? null;
}
