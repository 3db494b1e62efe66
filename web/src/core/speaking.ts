/**
 * Who speaks, from levels of 0 to 1 (RFC 6464's dBov as an amplitude). Pure: time is an argument.
 */

/** About -34 dBov: a voice at a microphone, above fans and keyboards. */
const STARTS_AT = 0.02;
/** About -42 dBov: the quiet parts of a sentence. */
const STOPS_BELOW = 0.008;
/** A click is shorter than this. */
const STARTS_AFTER_MS = 150;
/** The pause between two words is shorter than this. */
const STOPS_AFTER_MS = 700;
/** How fast the loudness by which speakers are ordered follows the level, per sample. */
const SMOOTHING = 0.2;

interface Voice {
  speaking: boolean;
  /** Since when the level has asked for the other state. */
  changingSince: number | null;
  loudness: number;
}

export class SpeakingDetector {
  readonly #voices = new Map<string, Voice>();

  /** Takes everybody's level at `now` (milliseconds). Who is not in it is silent. */
  update(levels: ReadonlyMap<string, number>, now: number): void {
    for (const [id, voice] of this.#voices) {
      if (levels.has(id)) continue;
      this.#hear(voice, 0, now);
      if (!voice.speaking) this.#voices.delete(id);
    }
    for (const [id, level] of levels) {
      const voice = this.#voices.get(id) ?? { speaking: false, changingSince: null, loudness: 0 };
      this.#voices.set(id, voice);
      this.#hear(voice, level, now);
    }
  }

  /** Ids of those who speak, loudest first. */
  speakers(): string[] {
    return [...this.#voices]
      .filter(([, voice]) => voice.speaking)
      .sort(([, a], [, b]) => b.loudness - a.loudness)
      .map(([id]) => id);
  }

  #hear(voice: Voice, level: number, now: number): void {
    voice.loudness += (level - voice.loudness) * SMOOTHING;
    const wantsChange = voice.speaking ? level < STOPS_BELOW : level >= STARTS_AT;
    if (!wantsChange) {
      voice.changingSince = null;
      return;
    }
    voice.changingSince ??= now;
    const patience = voice.speaking ? STOPS_AFTER_MS : STARTS_AFTER_MS;
    if (now - voice.changingSince >= patience) {
      voice.speaking = !voice.speaking;
      voice.changingSince = null;
    }
  }
}
