import { describe, expect, it } from 'vitest';
import {
  GAP,
  MAX_PER_PAGE,
  layout,
  nearestCorner,
  pictureFit,
  type Layout,
  type LayoutInput,
  type LayoutTile,
  type Rect,
} from './layout';

const SIZES = [
  [320, 480],
  [390, 700],
  [844, 290],
  [1024, 700],
  [1440, 810],
  [2560, 1000],
  [3840, 600],
  [600, 2000],
  [80, 60],
] as const;

function people(count: number, screens: readonly number[] = []): LayoutTile[] {
  return Array.from({ length: count }, (_, index) => index).flatMap((index) => {
    const participant = `p${index}`;
    const isSelf = index === 0;
    const camera = { key: `${participant}/camera`, participant, source: 'camera' as const, isSelf };
    const screen = { key: `${participant}/screen`, participant, source: 'screen' as const, isSelf };
    return screens.includes(index) ? [screen, camera] : [camera];
  });
}

function arrange(tiles: LayoutTile[], change: Partial<LayoutInput> = {}): Layout {
  return layout({
    size: { width: 1440, height: 810 },
    tiles,
    mode: 'grid',
    pinned: null,
    speaker: null,
    hideSelf: false,
    corner: 'bottom-right',
    page: 0,
    ...change,
  });
}

/** A small generator with a seed (Mulberry32), so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** What is wrong with a layout, in words; nothing when it is sound. */
function faults(made: Layout, width: number, height: number): string[] {
  const found: string[] = [];
  const keys = made.placed.map(({ key }) => key);
  if (new Set(keys).size !== keys.length) found.push('a tile is placed twice');
  for (const { key, rect } of made.placed) {
    const inside =
      rect.x >= 0 && rect.y >= 0 && rect.x + rect.width <= width && rect.y + rect.height <= height;
    if (!inside) found.push(`${key} is outside`);
    if (!Object.values(rect).every(Number.isInteger)) found.push(`${key} is between pixels`);
  }
  const solid = made.placed.filter(({ role }) => role !== 'floating');
  for (const [index, a] of solid.entries()) {
    for (const b of solid.slice(index + 1)) {
      if (overlap(a.rect, b.rect)) found.push(`${a.key} covers ${b.key}`);
    }
  }
  if (made.page >= made.pages) found.push('the page does not exist');
  return found;
}

describe('any stage and any people', () => {
  it('keeps every tile inside, apart from the others and on exactly one page', () => {
    const next = random(7);
    const pick = (below: number) => Math.floor(next() * below);
    for (let round = 0; round < 600; round += 1) {
      const count = 1 + pick(60);
      const screens = Array.from({ length: pick(4) }, () => pick(count));
      const tiles = people(count, screens);
      const [width, height] = SIZES[pick(SIZES.length)] ?? [1, 1];
      const input: Partial<LayoutInput> = {
        size: { width, height },
        mode: next() < 0.5 ? 'grid' : 'speaker',
        pinned: next() < 0.3 ? (tiles[pick(tiles.length)]?.key ?? null) : null,
        speaker: next() < 0.5 ? `p${pick(count)}` : null,
        hideSelf: next() < 0.3,
      };
      const first = arrange(tiles, input);
      const seen = new Set<string>();
      for (let page = 0; page < first.pages; page += 1) {
        const made = arrange(tiles, { ...input, page });
        expect(faults(made, width, height)).toEqual([]);
        expect(made.pages).toBe(first.pages);
        for (const { key } of made.placed) seen.add(key);
      }
      const hidden = input.hideSelf ? 1 : 0;
      expect(seen.size).toBe(tiles.length - hidden);
    }
  });

  it('has nothing to place on a stage without room', () => {
    expect(arrange(people(5), { size: { width: 0, height: 400 } }).kind).toBe('empty');
    expect(arrange([], {}).kind).toBe('empty');
  });
});

describe('grid', () => {
  it('shows tiles all alike, as 16:9 or 4:3, and taller only on a stage held upright', () => {
    for (const [width, height] of SIZES.slice(0, 8)) {
      for (const count of [1, 3, 4, 5, 9, 16, 25]) {
        const { placed } = arrange(people(count), { size: { width, height } });
        const [first] = placed;
        for (const { rect } of placed) {
          expect(rect.width).toBe(first?.rect.width);
          expect(rect.height).toBe(first?.rect.height);
          const ratio = rect.width / rect.height;
          const upright = height > width ? [1, 4 / 5, 3 / 5] : [];
          const off = [16 / 9, 4 / 3, ...upright].map((allowed) => Math.abs(ratio - allowed));
          expect(Math.min(...off)).toBeLessThan(0.05);
        }
      }
    }
  });

  it('uses as many pixels as the best number of columns can', () => {
    const size = { width: 1440, height: 810 };
    for (let count = 1; count <= MAX_PER_PAGE; count += 1) {
      if (count === 2) continue;
      const { placed } = arrange(people(count), { size });
      const covered = placed.reduce((sum, { rect }) => sum + rect.width * rect.height, 0);
      for (let columns = 1; columns <= count; columns += 1) {
        const rows = Math.ceil(count / columns);
        for (const ratio of [16 / 9, 4 / 3]) {
          const width = Math.min(
            (size.width - GAP * (columns - 1)) / columns,
            ((size.height - GAP * (rows - 1)) / rows) * ratio,
          );
          const tile = Math.floor(width) * Math.floor(width / ratio);
          expect(tile * count).toBeLessThanOrEqual(covered);
        }
      }
    }
  });

  it('fills a phone held upright: three below each other, more in two columns', () => {
    const size = { width: 378, height: 730 };
    for (const [count, columns, share] of [
      [3, 1, 0.85],
      [4, 2, 0.75],
      [5, 2, 0.75],
      [6, 2, 0.9],
      [7, 2, 0.6],
      [8, 2, 0.75],
    ] as const) {
      const { placed, pages } = arrange(people(count), { size });
      expect(pages).toBe(1);
      expect(new Set(placed.slice(0, columns).map(({ rect }) => rect.y)).size).toBe(1);
      expect(placed[columns]?.rect.y).toBeGreaterThan(placed[0]?.rect.y ?? 0);
      const covered = placed.reduce((sum, { rect }) => sum + rect.width * rect.height, 0);
      expect(covered / (size.width * size.height), `${count} people`).toBeGreaterThan(share);
    }
  });

  it('does not make tiles narrow for the sake of being tall', () => {
    for (let count = 3; count <= 40; count += 1) {
      const { placed } = arrange(people(count), { size: { width: 374, height: 690 } });
      for (const { rect } of placed) expect(rect.width).toBeGreaterThanOrEqual(148);
    }
  });

  it('places people in their order, row by row', () => {
    const { placed } = arrange(people(8));
    expect(placed.map(({ key }) => key)).toEqual(people(8).map(({ key }) => key));
    const positions = placed.map(({ rect }) => rect.y * 10_000 + rect.x);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
  });

  it('centres a short last row', () => {
    const { placed } = arrange(people(5));
    const bottom = Math.max(...placed.map(({ rect }) => rect.y));
    const last = placed.filter(({ rect }) => rect.y === bottom).map(({ rect }) => rect);
    const left = Math.min(...last.map((rect) => rect.x));
    const right = Math.max(...last.map((rect) => rect.x + rect.width));
    expect(Math.abs(left - (1440 - right))).toBeLessThanOrEqual(1);
  });

  it('does not move anybody when somebody speaks', () => {
    expect(arrange(people(9), { speaker: 'p7' })).toEqual(arrange(people(9), { speaker: 'p2' }));
  });

  it('makes pages of nearly equal length when there are too many', () => {
    const made = arrange(people(30));
    expect(made.pages).toBe(2);
    expect(made.placed).toHaveLength(15);
    expect(arrange(people(30), { page: 1 }).placed).toHaveLength(15);
  });

  it('goes to the last page when the wanted one is gone', () => {
    expect(arrange(people(30), { page: 9 }).page).toBe(1);
    expect(arrange(people(4), { page: 3 }).page).toBe(0);
  });

  it('never asks for more pictures than a leg has slots', () => {
    const made = arrange(people(400), { size: { width: 8000, height: 4000 } });
    expect(made.placed.length).toBeLessThanOrEqual(MAX_PER_PAGE);
  });

  it('keeps faces readable on a phone', () => {
    const { placed } = arrange(people(25), { size: { width: 390, height: 680 } });
    for (const { rect } of placed) expect(rect.width).toBeGreaterThanOrEqual(148);
  });

  it('leaves out the own camera when asked, but not the own screen', () => {
    const { placed } = arrange(people(3, [0]), { hideSelf: true });
    expect(placed.map(({ key }) => key).sort()).toEqual(['p0/screen', 'p1/camera', 'p2/camera']);
  });
});

describe('two people', () => {
  it('shows the other over the stage and oneself small in the chosen corner', () => {
    const made = arrange(people(2), { corner: 'top-left' });
    expect(made.kind).toBe('one-to-one');
    const [other, self] = made.placed;
    expect(other).toMatchObject({ key: 'p1/camera', role: 'main', rect: { width: 1440 } });
    expect(self).toMatchObject({ key: 'p0/camera', role: 'floating' });
    expect(self?.rect.x).toBeLessThan(100);
    expect(self?.rect.y).toBeLessThan(100);
    expect(self?.rect.width).toBeLessThan(1440 / 3);
  });

  it('fills a phone held upright', () => {
    const [other] = arrange(people(2), { size: { width: 390, height: 680 } }).placed;
    expect(other?.rect).toEqual({ x: 0, y: 0, width: 390, height: 680 });
  });

  it('shows the other alone when oneself is hidden', () => {
    const made = arrange(people(2), { hideSelf: true });
    expect(made.placed.map(({ key }) => key)).toEqual(['p1/camera']);
  });

  it('lets the small picture go to the nearest corner', () => {
    const size = { width: 1000, height: 600 };
    expect(nearestCorner(size, { x: 100, y: 90 })).toBe('top-left');
    expect(nearestCorner(size, { x: 800, y: 590 })).toBe('bottom-right');
  });
});

describe('one large', () => {
  it('gives a shared screen the stage and gives it back', () => {
    const shared = arrange(people(4, [2]));
    expect(shared.kind).toBe('spotlight');
    expect(shared.placed[0]).toMatchObject({ key: 'p2/screen', role: 'main' });
    expect(shared.placed.slice(1).every(({ role }) => role === 'strip')).toBe(true);
    expect(arrange(people(4)).kind).toBe('grid');
  });

  it('does not show the own screen large', () => {
    expect(arrange(people(3, [0])).kind).toBe('grid');
  });

  it('shows several shared screens at once', () => {
    const { placed } = arrange(people(4, [1, 2]));
    const main = placed.filter(({ role }) => role === 'main').map(({ key }) => key);
    expect(main).toEqual(['p1/screen', 'p2/screen']);
  });

  it('prefers what is pinned over a shared screen', () => {
    const { placed } = arrange(people(4, [2]), { pinned: 'p3/camera' });
    const main = placed.filter(({ role }) => role === 'main').map(({ key }) => key);
    expect(main).toEqual(['p3/camera']);
  });

  it('forgets a pinned tile that is gone', () => {
    expect(arrange(people(4), { pinned: 'p9/camera' }).kind).toBe('grid');
  });

  it('shows the speaker large in the speaker layout, and never oneself unless asked', () => {
    const made = arrange(people(6), { mode: 'speaker', speaker: 'p4' });
    expect(made.placed[0]).toMatchObject({ key: 'p4/camera', role: 'main' });
    const quiet = arrange(people(6), { mode: 'speaker' });
    expect(quiet.placed[0]).toMatchObject({ key: 'p1/camera', role: 'main' });
  });

  it('keeps the large tile larger than any other', () => {
    for (const [width, height] of SIZES) {
      const { placed } = arrange(people(9, [3]), { size: { width, height } });
      const [main, ...strip] = placed.map(({ rect }) => rect.width * rect.height);
      for (const small of strip) expect(small).toBeLessThanOrEqual(main ?? 0);
    }
  });

  it('puts the strip beside it on a wide stage and below on a tall one', () => {
    const wide = arrange(people(5, [1]));
    const tall = arrange(people(5, [1]), { size: { width: 390, height: 680 } });
    const [wideMain, wideStrip] = wide.placed;
    const [tallMain, tallStrip] = tall.placed;
    expect(wideStrip?.rect.x).toBeGreaterThan(wideMain?.rect.width ?? 0);
    expect(tallStrip?.rect.y).toBeGreaterThan(tallMain?.rect.height ?? 0);
  });
});

describe('how a picture fills its tile', () => {
  const upright = { width: 390, height: 690 };
  it('shows a shared screen whole', () => {
    expect(pictureFit({ width: 400, height: 300 }, { width: 1920, height: 1080 }, 'screen')).toBe('contain');
  });
  it('fills the tile with a camera of a similar shape', () => {
    expect(pictureFit({ width: 400, height: 300 }, { width: 1280, height: 720 }, 'camera')).toBe('cover');
  });
  it('shows a camera whole when filling would cut off too much', () => {
    expect(pictureFit(upright, { width: 2100, height: 900 }, 'camera')).toBe('contain');
  });
});
