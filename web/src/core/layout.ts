/**
 * Where each tile of the stage goes. Pure: the same input gives the same rectangles, and nothing
 * here knows of elements, time or the network.
 *
 * All lengths are CSS pixels; rectangles are relative to the stage's upper left corner.
 */

export interface Size {
  width: number;
  height: number;
}

export interface Rect extends Size {
  x: number;
  y: number;
}

/** What the layout needs to know of a tile. */
export interface LayoutTile {
  key: string;
  participant: string;
  source: 'camera' | 'screen';
  isSelf: boolean;
}

/** What a person chose: everybody alike, or one large. */
export type LayoutMode = 'grid' | 'speaker';

export type Corner = 'top-left' | 'top-right' | 'bottom-left' | 'bottom-right';

export interface LayoutInput {
  size: Size;
  /** In the order to show them (see `order.ts`). */
  tiles: readonly LayoutTile[];
  mode: LayoutMode;
  /** Key of the tile that a person wants to see large. */
  pinned: string | null;
  /** Whom the speaker layout shows large; a participant's id. */
  speaker: string | null;
  /** The person's own camera is not shown to that person. */
  hideSelf: boolean;
  /** Where the small own picture of a one-to-one sits. */
  corner: Corner;
  /** From 0; a page that no longer exists becomes the last one. */
  page: number;
}

/** What part a tile plays, which decides its looks and what it is worth to the network. */
export type TileRole = 'grid' | 'main' | 'strip' | 'floating';

export interface PlacedTile {
  key: string;
  rect: Rect;
  role: TileRole;
}

export type LayoutKind = 'empty' | 'grid' | 'one-to-one' | 'spotlight';

export interface Layout {
  kind: LayoutKind;
  /** What is shown now, in the order of the tiles, large ones first. */
  placed: PlacedTile[];
  page: number;
  /** At least 1. */
  pages: number;
  /** How many of the tiles that are not large fit on a page. */
  perPage: number;
}

/** Space between tiles. */
export const GAP = 8;

/** A page never shows more than this: a leg to the SFU has no more video slots. */
export const MAX_PER_PAGE = 25;

const WIDE = 16 / 9;
const CLASSIC = 4 / 3;

/** On a stage that is taller than wide, tiles may be square and taller: a face fits, and two columns fill a phone. */
const UPRIGHT = [WIDE, CLASSIC, 1, 4 / 5, 3 / 5] as const;

/** Below this width a face is no longer read; more people become another page. */
const MIN_TILE_WIDTH = { narrow: 148, wide: 200 } as const;
const NARROW_STAGE = 640;

/** Tiles beside a large one: small enough to leave it the stage, large enough for a name. */
const STRIP_TILE_WIDTH = { min: 112, usual: 208, max: 400 } as const;

/** More shared screens at once than this would be unreadable; the others go to the strip. */
const MAX_MAIN_SCREENS = 4;

export function layout(input: LayoutInput): Layout {
  const tiles = input.tiles.filter((tile) => !(input.hideSelf && tile.isSelf && tile.source === 'camera'));
  const size = {
    width: Math.max(0, Math.floor(input.size.width)),
    height: Math.max(0, Math.floor(input.size.height)),
  };
  if (tiles.length === 0 || size.width === 0 || size.height === 0) {
    return { kind: 'empty', placed: [], page: 0, pages: 1, perPage: 1 };
  }
  const main = mainTiles(tiles, input);
  if (main.length > 0 && main.length < tiles.length) {
    return spotlight(size, tiles, main, input.page);
  }
  const pair = main.length === 0 ? oneToOne(size, tiles, input.corner) : null;
  return pair ?? grid(size, tiles, input.page);
}

/** Which tiles are shown large: the pinned one, else shared screens, else the speaker. */
function mainTiles(tiles: readonly LayoutTile[], input: LayoutInput): LayoutTile[] {
  const pinned = tiles.find((tile) => tile.key === input.pinned);
  if (pinned) return [pinned];
  // One's own screen shown large would only show itself, ever smaller.
  const screens = tiles.filter((tile) => tile.source === 'screen' && !tile.isSelf);
  if (screens.length > 0) return screens.slice(0, MAX_MAIN_SCREENS);
  if (input.mode === 'speaker' && tiles.length > 2) {
    const cameras = tiles.filter((tile) => tile.source === 'camera');
    const speaker =
      cameras.find((tile) => tile.participant === input.speaker) ?? cameras.find((tile) => !tile.isSelf);
    if (speaker) return [speaker];
  }
  return [];
}

// --- Everybody alike -------------------------------------------------------------------------

function grid(size: Size, tiles: readonly LayoutTile[], wantedPage: number): Layout {
  const area: Rect = { x: 0, y: 0, ...size };
  const smallest = size.width < NARROW_STAGE ? MIN_TILE_WIDTH.narrow : MIN_TILE_WIDTH.wide;
  const shapes = size.height > size.width ? { ratios: UPRIGHT, narrowest: smallest } : {};
  const { pages, perPage, page } = paginate(tiles.length, capacity(area, smallest, shapes), wantedPage);
  const shown = tiles.slice(page * perPage, (page + 1) * perPage);
  const rects = pack(area, shown.length, shapes);
  return { kind: 'grid', placed: place(shown, rects, 'grid'), page, pages, perPage };
}

/** How many tiles no narrower than `smallest` fit; at least 1. */
function capacity(area: Rect, smallest: number, shapes: Shapes = {}): number {
  for (let count = MAX_PER_PAGE; count > 1; count -= 1) {
    if (best(area, count, shapes).width >= smallest) return count;
  }
  return 1;
}

/** Pages of nearly equal length, so that the last one does not show a single giant. */
function paginate(
  count: number,
  most: number,
  wanted: number,
): { pages: number; perPage: number; page: number } {
  const pages = Math.max(1, Math.ceil(count / most));
  const perPage = Math.max(1, Math.ceil(count / pages));
  return { pages, perPage, page: Math.min(Math.max(0, wanted), pages - 1) };
}

interface Cells {
  columns: number;
  rows: number;
  width: number;
  height: number;
}

interface Shapes {
  /** Width over height. */
  ratios?: readonly number[];
  /** No cell is wider. */
  widest?: number;
  /** No cell that is taller than usual is narrower. */
  narrowest?: number;
}

/** The columns and the shape, usually 16:9 or 4:3, that leave the fewest pixels of `area` unused. */
function best(
  area: Size,
  count: number,
  { ratios = [WIDE, CLASSIC], widest = Infinity, narrowest = 0 }: Shapes = {},
): Cells {
  let found: Cells = { columns: 1, rows: Math.max(1, count), width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const roomWide = (area.width - GAP * (columns - 1)) / columns;
    const roomHigh = (area.height - GAP * (rows - 1)) / rows;
    for (const ratio of ratios) {
      const width = Math.min(roomWide, roomHigh * ratio, widest);
      if (ratio < CLASSIC && width < narrowest) continue;
      const cells = {
        columns,
        rows,
        width: Math.max(0, Math.floor(width)),
        height: Math.max(0, Math.floor(width / ratio)),
      };
      if (cells.width * cells.height > found.width * found.height) found = cells;
    }
  }
  return found;
}

/** `count` equal rectangles in the middle of `area`; a last row that is short is centred. */
function pack(area: Rect, count: number, shapes: Shapes = {}): Rect[] {
  if (count === 0) return [];
  const { columns, rows, width, height } = best(area, count, shapes);
  const usedHigh = rows * height + (rows - 1) * GAP;
  const top = area.y + Math.floor((area.height - usedHigh) / 2);
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, count - row * columns);
    const usedWide = inRow * width + (inRow - 1) * GAP;
    const left = area.x + Math.floor((area.width - usedWide) / 2);
    return {
      x: left + (index - row * columns) * (width + GAP),
      y: top + row * (height + GAP),
      width,
      height,
    };
  });
}

// --- One large, the rest beside it -----------------------------------------------------------

function spotlight(
  size: Size,
  tiles: readonly LayoutTile[],
  main: readonly LayoutTile[],
  wantedPage: number,
): Layout {
  const { large, strip } = split(size, main);
  const rest = tiles.filter((tile) => !main.includes(tile));
  const most = Math.min(capacity(strip, STRIP_TILE_WIDTH.min), Math.max(1, MAX_PER_PAGE - main.length));
  const { pages, perPage, page } = paginate(rest.length, most, wantedPage);
  const shown = rest.slice(page * perPage, (page + 1) * perPage);
  return {
    kind: 'spotlight',
    placed: [
      ...place(main, large, 'main'),
      ...place(shown, pack(strip, shown.length, { widest: STRIP_TILE_WIDTH.max }), 'strip'),
    ],
    page,
    pages,
    perPage,
  };
}

/**
 * Divides the stage between the large tiles and the strip, at the right or below, whichever leaves
 * the large ones larger. What the shape of the large ones cannot use goes to the strip too.
 */
function split(size: Size, main: readonly LayoutTile[]): Split {
  const thin = Math.min(STRIP_TILE_WIDTH.usual, Math.max(STRIP_TILE_WIDTH.min, size.width / 5));
  // A screen is shown whole, so a tile of another shape would only add bars.
  const ratios = main.every((tile) => tile.source === 'screen') ? [WIDE] : [WIDE, CLASSIC];
  const right = divide(size, 'right', thin, main.length, ratios);
  const below = divide(size, 'below', thin, main.length, ratios);
  // The strip stays at the right unless below is clearly better: no flapping at the border.
  return used(below) > used(right) * 1.02 ? below : right;
}

interface Split {
  large: Rect[];
  strip: Rect;
}

function divide(
  size: Size,
  side: 'right' | 'below',
  thin: number,
  count: number,
  ratios: readonly number[],
): Split {
  if (side === 'right') {
    const room = { width: Math.max(size.width / 2, size.width - GAP - thin), height: size.height };
    const { columns, width } = best(room, count, { ratios });
    const taken = columns * width + (columns - 1) * GAP;
    const strip = { x: taken + GAP, y: 0, width: Math.max(0, size.width - GAP - taken), height: size.height };
    return { large: pack({ x: 0, y: 0, width: taken, height: size.height }, count, { ratios }), strip };
  }
  const high = Math.max(size.height / 2, size.height - GAP - thin / WIDE);
  const { rows, height } = best({ width: size.width, height: high }, count, { ratios });
  const taken = rows * height + (rows - 1) * GAP;
  const strip = { x: 0, y: taken + GAP, width: size.width, height: Math.max(0, size.height - GAP - taken) };
  return { large: pack({ x: 0, y: 0, width: size.width, height: taken }, count, { ratios }), strip };
}

function used({ large }: Split): number {
  return large.reduce((sum, rect) => sum + rect.width * rect.height, 0);
}

/** The largest rectangle of this ratio in the middle of `outer`. */
function inside(outer: Rect, ratio: number): Rect {
  const width = Math.floor(Math.min(outer.width, outer.height * ratio));
  const height = Math.floor(Math.min(outer.height, width / ratio));
  return {
    x: outer.x + Math.floor((outer.width - width) / 2),
    y: outer.y + Math.floor((outer.height - height) / 2),
    width,
    height,
  };
}

// --- Two people ------------------------------------------------------------------------------

/** Narrower or wider than these, a picture that fills the tile would lose its edges. */
const ONE_TO_ONE = { tallest: 9 / 16, widest: WIDE } as const;

/** The other person over the whole stage, oneself small in a corner; null for anything else. */
function oneToOne(size: Size, tiles: readonly LayoutTile[], corner: Corner): Layout | null {
  if (tiles.length !== 2) return null;
  const self = tiles.find((tile) => tile.isSelf && tile.source === 'camera');
  const other = tiles.find((tile) => !tile.isSelf && tile.source === 'camera');
  if (!self || !other) return null;
  const ratio = Math.min(ONE_TO_ONE.widest, Math.max(ONE_TO_ONE.tallest, size.width / size.height));
  const main = inside({ x: 0, y: 0, ...size }, ratio);
  return {
    kind: 'one-to-one',
    placed: [
      { key: other.key, rect: main, role: 'main' },
      { key: self.key, rect: floating(size, main, corner), role: 'floating' },
    ],
    page: 0,
    pages: 1,
    perPage: 2,
  };
}

/** The small own picture: a fifth of the width, in a corner of the large one. */
function floating(size: Size, main: Rect, corner: Corner): Rect {
  const portrait = size.height > size.width;
  const ratio = portrait ? 3 / 4 : WIDE;
  const wanted = portrait
    ? Math.min(144, Math.max(88, size.width * 0.26))
    : Math.min(320, Math.max(144, size.width * 0.19));
  const width = Math.floor(Math.min(wanted, size.width, size.height * ratio));
  const height = Math.floor(width / ratio);
  const inset = Math.max(0, Math.min(2 * GAP, (main.width - width) / 2, (main.height - height) / 2));
  return {
    x: Math.floor(corner.endsWith('left') ? main.x + inset : main.x + main.width - width - inset),
    y: Math.floor(corner.startsWith('top') ? main.y + inset : main.y + main.height - height - inset),
    width,
    height,
  };
}

/** The corner that the small picture belongs to when it is let go with its middle here. */
export function nearestCorner(size: Size, middle: { x: number; y: number }): Corner {
  const vertical = middle.y < size.height / 2 ? 'top' : 'bottom';
  const horizontal = middle.x < size.width / 2 ? 'left' : 'right';
  return `${vertical}-${horizontal}`;
}

// --- Pictures in tiles -----------------------------------------------------------------------

/** Less of the picture than this is never shown: rather bars than a head cut off. */
const LEAST_VISIBLE = 0.3;

/**
 * Whether a camera's picture fills its tile or is shown whole. A shared screen is always shown
 * whole, because what is cut off may be the point.
 */
export function pictureFit(
  tile: Size,
  picture: Size | null,
  source: LayoutTile['source'],
): 'cover' | 'contain' {
  if (source === 'screen') return 'contain';
  if (!picture || picture.width === 0 || picture.height === 0 || tile.height === 0) return 'cover';
  const a = tile.width / tile.height;
  const b = picture.width / picture.height;
  return Math.min(a, b) / Math.max(a, b) >= LEAST_VISIBLE ? 'cover' : 'contain';
}

function place(tiles: readonly LayoutTile[], rects: readonly Rect[], role: TileRole): PlacedTile[] {
  return tiles.flatMap((tile, index) => {
    const rect = rects[index];
    return rect ? [{ key: tile.key, rect, role }] : [];
  });
}
