/**
 * Which simulcast layers a camera of a given size sends. Pure.
 */

/** Smallest first, as in `PublishWish.layers`. */
export const RIDS = ['l', 'm', 'h'] as const;

export interface Layer {
  readonly active: boolean;
  readonly scaleResolutionDownBy: number;
  /** bit/s */
  readonly maxBitrate: number;
  /** W3C WebRTC-SVC; absent for a stream of one layer. */
  readonly scalabilityMode?: string;
}

/**
 * Browsers built on libwebrtc send no more layers than the picture is worth, and leave out the upper
 * ones, whatever was asked: 3 from 960x540 on, 2 from 480x270 on, else 1. With fixed scales a small
 * camera would be seen at a quarter of its size only, so the layers that remain start at full size.
 */
function usableLayers(pixels: number): 1 | 2 | 3 {
  if (pixels >= 960 * 540) return 3;
  return pixels >= 480 * 270 ? 2 : 1;
}

/** `wanted`: what the server asks for. A layer that is too much for the camera is served by the next lower one. */
export function cameraLayers(width: number, height: number, wanted: readonly boolean[]): Layer[] {
  const usable = usableLayers(width * height);
  return RIDS.map((_, index) => {
    const top = index === usable - 1;
    const scaleResolutionDownBy = 2 ** Math.max(0, usable - 1 - index);
    return {
      active: index < usable && (wanted[index] === true || (top && wanted.slice(usable).includes(true))),
      scaleResolutionDownBy,
      maxBitrate: bitrateFor((width * height) / scaleResolutionDownBy ** 2),
    };
  });
}

/**
 * The same layers in one stream, which the first encoding sends; layers that nobody needs are left out from
 * the top. Those that remain keep their sizes, so that nobody sees the change.
 */
export function scalableLayers(width: number, height: number, wanted: readonly boolean[]): Layer[] {
  const usable = usableLayers(width * height);
  const count = Math.min(usable, wanted.lastIndexOf(true) + 1);
  const scaleResolutionDownBy = 2 ** Math.max(0, usable - Math.max(1, count));
  const sizes = RIDS.slice(0, Math.max(1, count)).map((_, below) => scaleResolutionDownBy * 2 ** below);
  const layers = sizes.length;
  return RIDS.map((_, index) => ({
    active: index === 0 && count > 0,
    scaleResolutionDownBy,
    maxBitrate: sizes.reduce((sum, scale) => sum + bitrateFor((width * height) / scale ** 2), 0),
    scalabilityMode: layers > 1 ? `L${layers}T3_KEY` : 'L1T3',
  }));
}

/** 150 kbit/s for 320x180, 500 for 640x360, 1,700 for 1280x720: larger pictures need fewer bits per pixel. */
function bitrateFor(pixels: number): number {
  return Math.round(150_000 * (pixels / (320 * 180)) ** 0.875);
}
