/** Tells speech from a noisy room, well enough for "you are muted but talking". */

/** A level this much above the room's own noise may be speech (of the meter's 0 to 1). */
const ABOVE_NOISE = 0.18;
/** Below this nobody talks, however quiet the room is. */
const LEAST = 0.3;
/** Speech has lasted this long, pauses between syllables included, before a hint is fair: milliseconds. */
const NEEDED_MS = 400;
/** Loud moments further apart than this are not one utterance: milliseconds. */
const PAUSE_MS = 350;
/** How long the hint stays after the last loud moment: milliseconds. */
const HOLD_MS = 3_000;

export class TalkingDetector {
  #noise = LEAST;
  #loudSince: number | null = null;
  #lastLoud = -Infinity;
  #talking = false;

  /** Takes a level (0 to 1) measured at `nowMs`; says whether somebody talks. */
  push(level: number, nowMs: number): boolean {
    if (level > Math.max(LEAST, this.#noise + ABOVE_NOISE)) {
      if (nowMs - this.#lastLoud > PAUSE_MS) this.#loudSince = nowMs;
      this.#lastLoud = nowMs;
      if (nowMs - (this.#loudSince ?? nowMs) >= NEEDED_MS) this.#talking = true;
    } else if (nowMs - this.#lastLoud > HOLD_MS) {
      this.#talking = false;
    }
    // Falls fast and rises slowly: speech must not become the noise that it is compared with.
    this.#noise += (level - this.#noise) * (level < this.#noise ? 0.2 : 0.004);
    return this.#talking;
  }

  reset(): void {
    this.#loudSince = null;
    this.#lastLoud = -Infinity;
    this.#talking = false;
  }
}
