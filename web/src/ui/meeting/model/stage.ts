/**
 * What the stage shows: tiles in their order, laid out for its size. Tells the meeting what is seen
 * and how large, so that what nobody sees is not sent.
 */
import type { Clock } from '../../../core/clock';
import {
  layout,
  type Layout,
  type LayoutInput,
  type LayoutTile,
  type PlacedTile,
  type Size,
} from '../../../core/layout';
import type { MeetingHandle, MeetingView, Readable, TileView, VisibleTile } from '../../../core/model';
import { NO_ORDER, inOrder, nextOrder, type TileOrder } from '../../../core/order';
import { Store } from '../../../core/store';
import type { MeetingScreen } from './screen';

export interface StageView {
  layout: Layout;
  /** The tiles that have a place, with it; large ones first. */
  tiles: readonly StageTile[];
  /** Key of a tile that was pinned by the person. */
  pinned: string | null;
  /** Participants on other pages, or not on the stage at all. */
  elsewhere: number;
  /** In a large room: how many people have no tile, and the place that says so; it is on the last page. */
  more: { count: number; place: PlacedTile } | null;
}

export interface StageTile {
  tile: TileView;
  place: PlacedTile;
}

/** Stands for all who have no tile of their own. Last, and nobody's. */
const MORE: LayoutTile = { key: '+', participant: '+', source: 'camera', isSelf: false };

/** Changes within this time are told at once, in milliseconds: while a window is dragged larger, say. */
const SETTLE_MS = 150;
/** A page that nobody looks at this long asks for no pictures, in milliseconds. */
const UNSEEN_MS = 3_000;

export class Stage {
  readonly #meeting: MeetingHandle;
  readonly #screen: MeetingScreen;
  readonly #clock: Clock;
  readonly #view: Store<StageView>;
  readonly #ends: (() => void)[] = [];
  #size: Size = { width: 0, height: 0 };
  #pixelRatio = 1;
  #order = NO_ORDER;
  #speaker: string | null = null;
  #seen = true;
  #told = '';
  #cancelTell: (() => void) | null = null;

  constructor(meeting: MeetingHandle, screen: MeetingScreen, clock: Clock) {
    this.#meeting = meeting;
    this.#screen = screen;
    this.#clock = clock;
    const empty = layout(this.#input([]));
    this.#view = new Store<StageView>({ layout: empty, tiles: [], pinned: null, elsewhere: 0, more: null });
    this.#ends.push(
      meeting.view.subscribe(() => this.#arrange()),
      screen.view.subscribe(() => this.#arrange()),
    );
  }

  get view(): Readable<StageView> {
    return this.#view;
  }

  /** The stage has this size in CSS pixels, each of them `pixelRatio` device pixels wide. */
  resize(size: Size, pixelRatio: number): void {
    this.#size = size;
    this.#pixelRatio = pixelRatio;
    this.#arrange();
  }

  /** Whether anybody can see the page or its small window. */
  setSeen(seen: boolean): void {
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#tellIn(seen ? 0 : UNSEEN_MS);
  }

  end(): void {
    for (const end of this.#ends) end();
    this.#cancelTell?.();
  }

  #arrange(): void {
    const { tiles, speakers, participants, participantCount } = this.#meeting.view.get();
    const untold = Math.max(0, participantCount - participants.length);
    const all = (order: TileOrder): LayoutTile[] => [...inOrder(order, tiles), ...(untold > 0 ? [MORE] : [])];
    this.#screen.keepTiles(new Set(tiles.map(({ key }) => key)));
    this.#speaker = nextSpeaker(this.#speaker, this.#meeting.view.get());
    const before = layout(this.#input(all(this.#order)));
    const large = new Set(before.placed.filter(({ role }) => role === 'main').map(({ key }) => key));
    this.#order = nextOrder(this.#order, { tiles, speakers, large, perPage: before.perPage });
    const made = layout(this.#input(all(this.#order)));
    const byKey = new Map(tiles.map((tile) => [tile.key, tile]));
    const shown = made.placed.flatMap((place) => {
      const tile = byKey.get(place.key);
      return tile ? [{ tile, place }] : [];
    });
    const { preferences, pinned } = this.#screen.view.get();
    const hidden = tiles.filter((tile) => !preferences.selfView && isOwnCamera(tile)).length;
    const place = made.placed.find(({ key }) => key === MORE.key);
    this.#view.set({
      layout: made,
      tiles: shown,
      pinned,
      elsewhere: tiles.length - hidden - shown.length + untold,
      more: place ? { count: untold, place } : null,
    });
    this.#tellIn(SETTLE_MS);
  }

  #input(tiles: readonly LayoutTile[]): LayoutInput {
    const { preferences, pinned, page, corner } = this.#screen.view.get();
    return {
      size: this.#size,
      tiles,
      mode: preferences.layout,
      pinned,
      speaker: this.#speaker,
      hideSelf: !preferences.selfView,
      corner,
      page,
    };
  }

  #tellIn(ms: number): void {
    // A change that comes while one waits goes out with it, so that steady changes are not starved.
    if (this.#cancelTell && ms > 0) return;
    this.#cancelTell?.();
    this.#cancelTell = this.#clock.after(ms, () => {
      this.#cancelTell = null;
      this.#tell();
    });
  }

  #tell(): void {
    const { tiles, pinned } = this.#view.get();
    const { speakers } = this.#meeting.view.get();
    const visible = this.#seen ? visibleTiles(tiles, { pinned, speakers, ratio: this.#pixelRatio }) : [];
    const told = JSON.stringify(visible);
    if (told === this.#told) return;
    this.#told = told;
    this.#meeting.setVisible(visible);
  }
}

function isOwnCamera(tile: TileView): boolean {
  return tile.isSelf && tile.source === 'camera';
}

/** Whoever speaks keeps the place until another speaks; oneself never takes it. */
function nextSpeaker(
  previous: string | null,
  { speakers, participants, selfId }: MeetingView,
): string | null {
  const speaking = speakers.filter((id) => id !== selfId);
  if (previous !== null && speaking.includes(previous)) return previous;
  const present = participants.some(({ id }) => id === previous);
  return speaking[0] ?? (present ? previous : null);
}

/** What is shown of others, most important first. */
export function visibleTiles(
  tiles: readonly StageTile[],
  { pinned, speakers, ratio }: { pinned: string | null; speakers: readonly string[]; ratio: number },
): VisibleTile[] {
  const visible = tiles
    .filter(({ tile }) => !tile.isSelf && tile.hasVideo)
    .map(({ tile, place }): VisibleTile => {
      const { key, role, rect } = place;
      const chosen = key === pinned || (tile.source === 'camera' && speakers.includes(tile.participant));
      const priority =
        role === 'main' ? (tile.source === 'screen' ? 3 : 2) : chosen ? 2 : role === 'strip' ? 0 : 1;
      const width = Math.round(rect.width * ratio);
      const height = Math.round(rect.height * ratio);
      return { key, width, height, priority };
    });
  return visible.sort((a, b) => b.priority - a.priority);
}
