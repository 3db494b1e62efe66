import { expect } from '@playwright/test';
import type { Driver } from './driver.ts';
import { whoseColour, type Person } from './people.ts';
import { listen, measure, pictureOf, type Measured } from './probe.ts';

export type TileSource = 'camera' | 'screen';

/** Frames of one tile within a window of time. */
export interface FrameRecord {
  frames: number;
  /** Longest time without a new frame, milliseconds; the window's ends count as frames. */
  longestGapMs: number;
  /** How often a look at the tile found nothing in it, of 50 looks a second. */
  dark: number;
}

/** A person in a meeting, in whichever browser. */
export class Participant<D extends Driver = Driver> {
  constructor(
    readonly person: Person,
    readonly driver: D,
  ) {}

  get name(): string {
    return this.person.name;
  }

  /** Opens the link and joins, as `?autojoin=1` does for whoever follows such a link. */
  async join(origin: string, room: string, parameters: Record<string, string> = {}): Promise<void> {
    const query = new URLSearchParams({ name: this.name, autojoin: '1', ...parameters });
    await this.driver.goto(`${origin}/m/${encodeURIComponent(room)}?${query}`);
    await this.expectState('connected');
  }

  async leave(): Promise<void> {
    await this.driver.click(testId('leave'));
    await this.expectState('left');
  }

  /** An attribute of the meeting's root, such as `data-topology`. */
  attribute(name: 'data-topology' | 'data-transport' | 'data-state'): Promise<string | null> {
    return this.driver.evaluate(
      (attribute) => document.querySelector('[data-testid=meeting]')?.getAttribute(attribute) ?? null,
      name,
    );
  }

  async expectState(
    state: 'joining' | 'connected' | 'reconnecting' | 'left',
    timeout = 30_000,
  ): Promise<void> {
    await expect
      .poll(() => this.attribute('data-state'), { message: `${this.name}'s meeting`, timeout })
      .toBe(state);
  }

  async expectTopology(topology: 'p2p' | 'mesh' | 'sfu', timeout = 30_000): Promise<void> {
    await expect
      .poll(() => this.attribute('data-topology'), { message: `${this.name}'s topology`, timeout })
      .toBe(topology);
  }

  /** Names on the tiles of one source, in the order of the page. */
  tiles(source: TileSource = 'camera'): Promise<string[]> {
    return this.driver.evaluate(
      (wanted) =>
        [...document.querySelectorAll<HTMLElement>(`[data-testid=tile][data-source=${wanted}]`)].map(
          (tile) => tile.dataset.name ?? '',
        ),
      source,
    );
  }

  async expectTiles(
    names: readonly string[],
    source: TileSource = 'camera',
    timeout = 20_000,
  ): Promise<void> {
    await expect
      .poll(async () => (await this.tiles(source)).sort(), {
        message: `${source} tiles that ${this.name} sees`,
        timeout,
      })
      .toEqual([...names].sort());
  }

  /** Waits until the tile shows this person's colour and a picture that changes. */
  async expectMovingPicture(of: Person, source: TileSource = 'camera', timeout = 30_000): Promise<void> {
    const selector = tileVideo(of.name, source);
    const look = () => this.driver.evaluate(pictureOf, selector);
    await expect
      .poll(
        async () => {
          const picture = await look();
          return picture === null
            ? 'no picture'
            : (whoseColour(picture.colour)?.name ?? `rgb ${picture.colour.map(Math.round).join(' ')}`);
        },
        { message: `${this.name} sees ${of.name}'s ${source}`, timeout },
      )
      .toBe(of.name);
    const places = new Set<number>();
    await expect
      .poll(
        async () => {
          const picture = await look();
          if (picture !== null) places.add(Math.round(picture.barAt * 16));
          return places.size;
        },
        { message: `${this.name} sees ${of.name}'s ${source} move`, timeout, intervals: [130] },
      )
      .toBeGreaterThanOrEqual(4);
  }

  /** Everybody's camera, one's own included. */
  async expectToSee(everybody: readonly Person[]): Promise<void> {
    await this.expectTiles(everybody.map((person) => person.name));
    for (const person of everybody) await this.expectMovingPicture(person);
  }

  measure(): Promise<Measured> {
    return this.driver.evaluate(measure, undefined);
  }

  /** Energy of sound that arrives within so much time. */
  async heardWithin(milliseconds: number): Promise<number> {
    const before = await this.measure();
    await new Promise((done) => setTimeout(done, milliseconds));
    return (await this.measure()).heardEnergy - before.heardEnergy;
  }

  /** Waits until the voices of these people are among those that arrive. */
  async expectToHear(speakers: readonly Person[], timeout = 40_000): Promise<void> {
    const wanted = speakers.map((person) => person.name).sort();
    const heard = new Set<string>();
    await expect
      .poll(
        async () => {
          for (const peaks of await this.driver.evaluate(listen, 1_200)) {
            for (const person of speakers) {
              if (peaks.slice(0, 6).some((hertz) => Math.abs(hertz - person.voiceHz) <= 20))
                heard.add(person.name);
            }
          }
          return [...heard].sort();
        },
        { message: `voices that ${this.name} hears`, timeout },
      )
      .toEqual(wanted);
  }

  /** What was presented on each tile (`name/source`) since a moment in milliseconds since 1970. */
  async framesSince(since: number): Promise<Map<string, FrameRecord>> {
    const [frames, now] = await this.driver.evaluate((from) => {
      const { frames, dark } = window.conclaveProbe;
      const since = (times: number[] = []) => times.filter((time) => time >= from);
      const recent = Object.entries(frames).map(
        ([key, times]) => [key, since(times), since(dark[key]).length] as [string, number[], number],
      );
      return [recent, Date.now()] as [[string, number[], number][], number];
    }, since);
    return new Map(
      frames.map(([key, times, dark]) => {
        const moments = [since, ...times, now];
        const gaps = moments.slice(1).map((time, index) => time - (moments[index] ?? time));
        return [key, { frames: times.length, longestGapMs: Math.round(Math.max(...gaps)), dark }];
      }),
    );
  }

  /** Faults that no page may have, whatever the test is about. */
  violations(): Promise<string[]> {
    return this.driver.evaluate(() => window.conclaveProbe.violations, undefined);
  }
}

export function testId(id: string): string {
  return `[data-testid=${id}]`;
}

export function tile(name: string, source: TileSource = 'camera'): string {
  return `[data-testid=tile][data-name="${name}"][data-source=${source}]`;
}

function tileVideo(name: string, source: TileSource): string {
  return `${tile(name, source)} video`;
}
