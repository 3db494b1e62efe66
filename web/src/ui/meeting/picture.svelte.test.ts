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

it('the last picture stays, and stands still, until the first of the next stream is there', () => {
  const [first, second, third] = [{}, {}, {}] as [MediaStream, MediaStream, MediaStream];
  const halted = vi.spyOn(HTMLMediaElement.prototype, 'pause').mockReturnValue();
  let stream = $state.raw(first);
  const props = {
    get stream() {
      return stream;
    },
    size: { width: 320, height: 180 },
    source: 'camera' as const,
  };
  const picture = mount(Picture, { target: document.body, props });
  const videos = () => [...document.querySelectorAll('video')];
  flushSync();
  const [old] = videos();
  old?.dispatchEvent(new Event('loadeddata'));

  stream = second;
  flushSync();
  expect(videos()[0]).toBe(old);
  expect(videos().map((video) => video.classList.contains('waiting'))).toEqual([false, true]);
  expect(halted.mock.contexts).toEqual([old]);

  // Another one before the second has shown anything: the second is not waited for.
  stream = third;
  flushSync();
  expect(videos()).toHaveLength(2);
  const next = videos()[1];
  next?.dispatchEvent(new Event('loadeddata'));
  flushSync();
  expect(videos()).toEqual([next]);
  expect(next?.classList.contains('waiting')).toBe(false);
  void unmount(picture);
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
