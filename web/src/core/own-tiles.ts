import type { LocalTracks } from './path';
import { tileKey } from './path';
import type { ShownVideo } from './view';

/** The streams of the own tiles: one for each track, so that an element is not given a new one at each change. */
export class OwnTiles {
  readonly #streams = new Map<'camera' | 'screen', { track: MediaStreamTrack; stream: MediaStream }>();

  /** Null if the tile is not an own one. */
  videoOf(key: string, self: string | null, tracks: LocalTracks): ShownVideo | null {
    if (self === null) return null;
    for (const source of ['camera', 'screen'] as const) {
      if (key === tileKey(self, source))
        return { stream: this.#streamOf(source, tracks[source]), paused: false };
    }
    return null;
  }

  #streamOf(source: 'camera' | 'screen', track: MediaStreamTrack | null): MediaStream | null {
    const held = this.#streams.get(source);
    if (!track) {
      this.#streams.delete(source);
      return null;
    }
    if (held?.track === track) return held.stream;
    const stream = new MediaStream([track]);
    this.#streams.set(source, { track, stream });
    return stream;
  }
}
