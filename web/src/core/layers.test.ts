import { describe, expect, it } from 'vitest';
import { cameraLayers, scalableLayers } from './layers';

const ALL = [true, true, true];

describe('cameraLayers', () => {
  it('are a quarter, a half and all of a large picture', () => {
    const layers = cameraLayers(1280, 720, ALL);
    expect(layers.map((layer) => layer.scaleResolutionDownBy)).toEqual([4, 2, 1]);
    expect(layers.map((layer) => Math.round(layer.maxBitrate / 10_000))).toEqual([15, 50, 170]);
  });

  it('show a small camera at its full size all the same', () => {
    expect(cameraLayers(640, 360, ALL)).toMatchObject([
      { active: true, scaleResolutionDownBy: 2 },
      { active: true, scaleResolutionDownBy: 1 },
      { active: false },
    ]);
    expect(cameraLayers(320, 180, ALL)).toMatchObject([
      { active: true, scaleResolutionDownBy: 1 },
      { active: false },
      { active: false },
    ]);
  });

  it('follow the server, and serve what is too much for the camera by the best there is', () => {
    const active = (width: number, height: number, wanted: boolean[]) =>
      cameraLayers(width, height, wanted).map((layer) => layer.active);
    expect(active(1280, 720, [true, false, true])).toEqual([true, false, true]);
    expect(active(640, 360, [false, false, true])).toEqual([false, true, false]);
    expect(active(320, 180, [false, true, false])).toEqual([true, false, false]);
    expect(active(320, 180, [false, false, false])).toEqual([false, false, false]);
  });

  it('do not care which way a phone is held', () => {
    expect(cameraLayers(720, 1280, ALL)).toEqual(cameraLayers(1280, 720, ALL));
  });
});

describe('scalableLayers', () => {
  it('put all sizes of a large picture into one stream', () => {
    const [first, ...others] = scalableLayers(1280, 720, ALL);
    expect(first).toMatchObject({ active: true, scaleResolutionDownBy: 1, scalabilityMode: 'L3T3_KEY' });
    expect(others.map(({ active }) => active)).toEqual([false, false]);
  });

  it('leave out from the top what nobody needs, and keep the sizes of the others', () => {
    expect(scalableLayers(1280, 720, [true, true, false])[0]).toMatchObject({
      scaleResolutionDownBy: 2,
      scalabilityMode: 'L2T3_KEY',
    });
    expect(scalableLayers(1280, 720, [true, false, false])[0]).toMatchObject({
      scaleResolutionDownBy: 4,
      scalabilityMode: 'L1T3',
    });
    expect(scalableLayers(1280, 720, [false, false, false])[0]).toMatchObject({ active: false });
  });

  it('are no more than a small camera is worth', () => {
    expect(scalableLayers(640, 360, ALL)[0]).toMatchObject({
      scaleResolutionDownBy: 1,
      scalabilityMode: 'L2T3_KEY',
    });
  });
});
