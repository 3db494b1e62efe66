import { flushSync, mount, unmount } from 'svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import Picture from './Picture.svelte';

/** How often a stream was given to a video element, or taken from it. */
let changes: (object | null)[];

beforeEach(() => {
  changes = [];
  vi.spyOn(HTMLMediaElement.prototype, 'play').mockResolvedValue();
  // jsdom has no streams.
  Object.defineProperty(HTMLVideoElement.prototype, 'srcObject', {
    configurable: true,
    set: (stream: object | null) => changes.push(stream),
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  Reflect.deleteProperty(HTMLVideoElement.prototype, 'srcObject');
});

it('a picture is not interrupted when its tile is told anew, only when its stream is another', () => {
  const stream = {} as MediaStream;
  const other = {} as MediaStream;
  // As the stage does: every change of the meeting makes new tiles, most of them with the same stream.
  let tile = $state.raw({ stream, width: 320 });
  const props = {
    get stream() {
      return tile.stream;
    },
    get size() {
      return { width: tile.width, height: 180 };
    },
    source: 'camera' as const,
  };
  const picture = mount(Picture, { target: document.body, props });
  flushSync();
  expect(changes).toEqual([stream]);

  tile = { stream, width: 640 };
  flushSync();
  expect(changes).toEqual([stream]);

  tile = { stream: other, width: 640 };
  flushSync();
  expect(changes.filter((change) => change !== null)).toEqual([stream, other]);
  void unmount(picture);
});
