import { expect } from '@playwright/test';
import type { ChromiumDriver, Driver } from '../../support/driver.ts';
import { Participant, testId } from '../../support/participant.ts';
import type { Person } from '../../support/people.ts';
import type { Home } from './internet.ts';
import { keeps, selectedPairs, wayOf, type Promised, type SelectedPair } from './path.ts';

/** Somebody in a meeting, behind a network of their own. */
export class Guest<D extends Driver = ChromiumDriver> extends Participant<D> {
  constructor(
    person: Person,
    driver: D,
    readonly home: Home,
  ) {
    super(person, driver);
  }

  /**
   * Opens the link, presses *join* and waits for another person's picture.
   * @returns milliseconds from the press to the first frame of that picture.
   */
  async joinAndSee(
    this: Guest,
    origin: string,
    room: string,
    other: Person,
    timeout = 40_000,
  ): Promise<number> {
    const { page } = this.driver;
    await page.goto(`${origin}/m/${encodeURIComponent(room)}?${new URLSearchParams({ name: this.name })}`);
    const join = page.locator(testId('join'));
    await expect(join).toBeEnabled();
    await join.evaluate((button) => {
      button.addEventListener('click', () => (window.conclavePressed = Date.now()), { capture: true });
    });
    await join.click();
    let firstFrame = 0;
    await expect
      .poll(async () => (firstFrame = await this.#firstFrame(other)), {
        message: `${this.name} sees ${other.name}`,
        timeout,
        intervals: [100],
      })
      .toBeGreaterThan(0);
    return Math.round(firstFrame - (await page.evaluate(() => window.conclavePressed ?? 0)));
  }

  /** The one way that this person's media takes, when the page says the same. */
  async expectWay(promised: Promised, timeout = 20_000): Promise<SelectedPair> {
    let pairs: SelectedPair[] = [];
    await expect
      .poll(
        async () => {
          pairs = await selectedPairs(this.driver);
          return pairs.map(wayOf).map((way) => (keeps(promised, way) ? promised : way));
        },
        { message: `${this.name}'s connections`, timeout },
      )
      .toEqual([promised]);
    const [pair] = pairs as [SelectedPair];
    await expect
      .poll(() => this.attribute('data-transport'), { message: `what ${this.name}'s page says`, timeout })
      .toBe(`webrtc-${wayOf(pair)}`);
    return pair;
  }

  #firstFrame(person: Person): Promise<number> {
    return this.driver.evaluate((key) => window.conclaveProbe.frames[key]?.[0] ?? 0, `${person.name}/camera`);
  }
}

declare global {
  interface Window {
    /** When *join* was pressed, milliseconds since 1970. */
    conclavePressed?: number;
  }
}
