/** Reads a stream of server-sent events (HTML, section 9.2), of which only the data matters here. */
export class EventReader {
  readonly #onData: (data: string) => void;
  #text = '';

  constructor(onData: (data: string) => void) {
    this.#onData = onData;
  }

  /** Takes the next piece in, wherever it was cut. Tells of each event that is complete. */
  take(text: string): void {
    this.#text += text;
    for (;;) {
      const end = /\r?\n\r?\n/.exec(this.#text);
      if (!end) break;
      const event = this.#text.slice(0, end.index);
      this.#text = this.#text.slice(end.index + end[0].length);
      const data = event
        .split(/\r?\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).replace(/^ /, ''));
      if (data.length > 0) this.#onData(data.join('\n'));
    }
    if (this.#text.length > MOST_TEXT) throw new Error('an event of the feed is too long');
  }
}

/** Characters of one event: a room of a thousand people takes about 600,000. */
const MOST_TEXT = 8_000_000;
