import { describe, expect, it, vi } from 'vitest';
import { FakeMediaDevices, type FakeTrack } from '../testing/fake-devices';
import { Devices } from './devices';
import type { StartMeter } from './devices/meter';
import { Preferences } from './preferences';
import { VirtualClock } from './virtual-clock';

const MICROPHONE = ['audioinput', 'mic', 'Built-in microphone'] as const;
const CAMERA = ['videoinput', 'cam', 'Camera'] as const;
const HEADSET = ['audioinput', 'headset', 'Headset', 'h'] as const;

function setUp(...list: ConstructorParameters<typeof FakeMediaDevices>) {
  const browser = new FakeMediaDevices(...list);
  const preferences = new Preferences(null);
  const clock = new VirtualClock();
  let report: (level: number) => void = () => undefined;
  const startMeter: StartMeter = (_, to) => {
    report = to;
    return () => to(0);
  };
  const devices = new Devices(preferences, {
    mediaDevices: browser as unknown as MediaDevices,
    permissions: undefined,
    secure: true,
    clock,
    startMeter,
  });
  const kinds = () => devices.notices.get().map(({ kind }) => kind);
  return { browser, preferences, clock, devices, kinds, hear: (level: number) => report(level) };
}

const fake = (track: MediaStreamTrack | null) => track as unknown as FakeTrack | null;
const BOTH = { microphone: true, camera: true };

describe('starting', () => {
  it('asks once for both devices', async () => {
    const { browser, devices } = setUp([...MICROPHONE], [...CAMERA]);
    await devices.start(BOTH);
    expect(browser.asked).toHaveLength(1);
    expect(devices.microphone.get()).not.toBeNull();
    expect(devices.camera.get()).not.toBeNull();
    expect(devices.state.get()).toMatchObject({
      on: BOTH,
      starting: { microphone: false, camera: false },
      chosen: { microphone: 'mic', camera: 'cam' },
    });
  });

  it('gives the one that works when the other is missing', async () => {
    const { devices } = setUp([...MICROPHONE]);
    await devices.start(BOTH);
    expect(devices.microphone.get()).not.toBeNull();
    expect(devices.camera.get()).toBeNull();
    expect(devices.state.get()).toMatchObject({
      on: { microphone: true, camera: false },
      problem: { microphone: null, camera: 'missing' },
    });
  });

  it('names what is wrong with each device', async () => {
    const { browser, devices, kinds } = setUp([...MICROPHONE], [...CAMERA]);
    browser.errors.audio = 'NotAllowedError';
    browser.errors.video = 'NotReadableError';
    await devices.start(BOTH);
    expect(devices.state.get().problem).toEqual({ microphone: 'refused', camera: 'busy' });
    expect(kinds()).toEqual(['microphone-refused', 'camera-busy']);
  });

  it('obeys whoever turns a device off while the browser still asks', async () => {
    const { browser, devices } = setUp([...MICROPHONE], [...CAMERA]);
    browser.isSlow = true;
    const started = devices.start(BOTH);
    expect(devices.state.get().on).toEqual(BOTH);
    await vi.waitFor(() => expect(browser.asked).toHaveLength(1));
    await devices.setMicrophone(false);
    await devices.setCamera(false);
    browser.answer();
    await started;
    expect(devices.state.get().on).toEqual({ microphone: false, camera: false });
    expect(devices.microphone.get()).toBeNull();
    expect(devices.camera.get()).toBeNull();
    expect(browser.tracks.find(({ kind }) => kind === 'video')?.readyState).toBe('ended');
  });

  it('needs no second question for a device that is turned off and on again meanwhile', async () => {
    const { browser, devices } = setUp([...MICROPHONE], [...CAMERA]);
    browser.isSlow = true;
    const started = devices.start(BOTH);
    await vi.waitFor(() => expect(browser.asked).toHaveLength(1));
    await devices.setCamera(false);
    const again = devices.setCamera(true);
    browser.answer();
    await started;
    expect(await again).toBe(true);
    expect(browser.asked).toHaveLength(1);
    expect(devices.camera.get()).not.toBeNull();
  });

  it('does not try alone what was turned off while both were refused', async () => {
    const { browser, devices, kinds } = setUp([...MICROPHONE], [...CAMERA]);
    browser.isSlow = true;
    browser.errors.video = 'NotReadableError';
    const started = devices.start(BOTH);
    await vi.waitFor(() => expect(browser.asked).toHaveLength(1));
    await devices.setMicrophone(false);
    await devices.setCamera(false);
    browser.answer();
    await started;
    expect(browser.asked).toHaveLength(1);
    expect(kinds()).toEqual([]);
  });

  it('opens nothing that is not wanted', async () => {
    const { browser, devices } = setUp([...MICROPHONE], [...CAMERA]);
    await devices.start({ microphone: false, camera: false });
    expect(browser.asked).toHaveLength(0);
  });

  it('says that an insecure page has no devices', async () => {
    const devices = new Devices(new Preferences(null), {
      mediaDevices: undefined,
      permissions: undefined,
      secure: false,
      clock: new VirtualClock(),
      startMeter: () => () => undefined,
    });
    await devices.start(BOTH);
    expect(devices.state.get().problem).toEqual({ microphone: 'insecure', camera: 'insecure' });
  });
});

describe('the remembered device', () => {
  it('is used, and another one in its place when it is gone, with a word about it', async () => {
    const there = setUp([...MICROPHONE], [...HEADSET]);
    there.preferences.set('microphone', { id: 'headset', label: 'Headset' });
    await there.devices.start({ microphone: true, camera: false });
    expect(there.devices.state.get().chosen.microphone).toBe('headset');
    expect(there.kinds()).toEqual([]);

    const gone = setUp([...MICROPHONE]);
    gone.preferences.set('microphone', { id: 'headset', label: 'Headset' });
    await gone.devices.start({ microphone: true, camera: false });
    expect(gone.devices.state.get().chosen.microphone).toBe('mic');
    expect(gone.kinds()).toEqual(['microphone-substituted']);
  });

  it('is the one chosen last', async () => {
    const { preferences, devices } = setUp([...MICROPHONE], [...HEADSET]);
    await devices.start({ microphone: true, camera: false });
    const first = devices.microphone.get();
    await devices.choose('microphone', 'headset');
    expect(preferences.get('microphone')).toEqual({ id: 'headset', label: 'Headset' });
    expect(fake(first)?.readyState).toBe('ended');
    expect(devices.microphone.get()?.label).toBe('Headset');
  });
});

describe('muting', () => {
  it('ends the track that is sent, and keeps listening in this page only', async () => {
    const { browser, devices } = setUp([...MICROPHONE]);
    await devices.setMicrophone(true);
    const sent = devices.microphone.get();
    expect(await devices.setMicrophone(false)).toBe(false);
    expect(devices.microphone.get()).toBeNull();
    expect(fake(sent)?.readyState).toBe('ended');
    // The original measures on; no clone of it that could be sent is left.
    expect(browser.tracks[0]?.readyState).toBe('live');
    expect(browser.tracks[0]?.clones.every((clone) => clone.readyState === 'ended')).toBe(true);
  });

  it('lets go of the sent track before anybody could send more of it', async () => {
    const { devices } = setUp([...MICROPHONE]);
    await devices.setMicrophone(true);
    void devices.setMicrophone(false);
    expect(devices.microphone.get()).toBeNull();
  });

  it('is undone without asking the browser again', async () => {
    const { browser, devices } = setUp([...MICROPHONE]);
    await devices.setMicrophone(true);
    await devices.setMicrophone(false);
    expect(await devices.setMicrophone(true)).toBe(true);
    expect(browser.asked).toHaveLength(1);
    expect(devices.microphone.get()?.readyState).toBe('live');
  });

  it('wins over a device that is still starting', async () => {
    const { browser, devices } = setUp([...MICROPHONE]);
    browser.isSlow = true;
    const starting = devices.setMicrophone(true);
    await vi.waitFor(() => expect(browser.asked).toHaveLength(1));
    void devices.setMicrophone(false);
    browser.answer();
    expect(await starting).toBe(false);
    expect(devices.microphone.get()).toBeNull();
  });

  it('is hinted at when the person talks, and never while the microphone is on', async () => {
    const { clock, devices, hear } = setUp([...MICROPHONE]);
    const talk = async () => {
      for (let i = 0; i < 20; i++) {
        await clock.advance(50);
        hear(0.8);
      }
    };
    await devices.setMicrophone(true);
    await talk();
    expect(devices.talkingWhileMuted.get()).toBe(false);
    await devices.setMicrophone(false);
    expect(devices.talkingWhileMuted.get()).toBe(false);
    await talk();
    expect(devices.talkingWhileMuted.get()).toBe(true);
    await devices.setMicrophone(true);
    expect(devices.talkingWhileMuted.get()).toBe(false);
  });
});

describe('the camera', () => {
  it('is released when it is turned off', async () => {
    const { browser, devices } = setUp([...CAMERA]);
    await devices.setCamera(true);
    await devices.setCamera(false);
    expect(browser.tracks.map((track) => track.readyState)).toEqual(['ended']);
    expect(devices.camera.get()).toBeNull();
  });

  it('is released when it was turned off before it had started', async () => {
    const { browser, devices, kinds } = setUp([...CAMERA]);
    browser.isSlow = true;
    const starting = devices.setCamera(true);
    await vi.waitFor(() => expect(browser.asked).toHaveLength(1));
    void devices.setCamera(false);
    browser.answer();
    expect(await starting).toBe(false);
    expect(browser.tracks.map((track) => track.readyState)).toEqual(['ended']);
    expect(kinds()).toEqual([]);
  });

  it('is the one chosen last, however fast the choices come', async () => {
    const { browser, devices } = setUp([...CAMERA], ['videoinput', 'b', 'B'], ['videoinput', 'c', 'C']);
    await devices.setCamera(true);
    await Promise.all([devices.choose('camera', 'b'), devices.choose('camera', 'c')]);
    expect(devices.camera.get()?.label).toBe('C');
    expect(browser.tracks.filter((track) => track.readyState === 'live')).toHaveLength(1);
  });

  it('that is busy leaves a notice and stays off', async () => {
    const { browser, devices, kinds } = setUp([...CAMERA]);
    browser.errors.video = 'NotReadableError';
    expect(await devices.setCamera(true)).toBe(false);
    expect(devices.state.get().on.camera).toBe(false);
    expect(kinds()).toEqual(['camera-busy']);
    delete browser.errors.video;
    expect(await devices.setCamera(true)).toBe(true);
    expect(devices.state.get().problem.camera).toBeNull();
  });
});

describe('plugging', () => {
  it('in a headset offers it, and using it takes its speaker too', async () => {
    const { browser, devices, kinds } = setUp([...MICROPHONE], ['audiooutput', 'out', 'Speakers']);
    await devices.setMicrophone(true);
    browser.devices.push({
      kind: 'audiooutput',
      deviceId: 'headset-out',
      label: 'Headset',
      groupId: 'h',
      toJSON: () => ({}),
    });
    browser.plug(...HEADSET);
    await vi.waitFor(() => expect(kinds()).toEqual(['device-plugged-in']));
    expect(devices.state.get().chosen.microphone).toBe('mic');
    devices.notices.get()[0]?.use?.();
    await vi.waitFor(() => expect(devices.microphone.get()?.label).toBe('Headset'));
    expect(devices.state.get().chosen).toMatchObject({ microphone: 'headset', speaker: 'headset-out' });
  });

  it('out the one in use takes the next one, with a word about it', async () => {
    const { browser, devices, kinds } = setUp([...HEADSET], [...MICROPHONE]);
    await devices.setMicrophone(true);
    browser.unplug('headset');
    await vi.waitFor(() => expect(devices.microphone.get()?.label).toBe('Built-in microphone'));
    await vi.waitFor(() => expect(kinds()).toEqual(['microphone-lost']));
    expect(devices.state.get().on.microphone).toBe(true);
  });

  it('out the only one turns it off, with a word about it', async () => {
    const { browser, devices, kinds } = setUp([...CAMERA]);
    await devices.setCamera(true);
    browser.unplug('cam');
    await vi.waitFor(() => expect(kinds()).toEqual(['camera-lost-none']));
    expect(devices.state.get().on.camera).toBe(false);
    expect(devices.camera.get()).toBeNull();
  });

  it('out while muted does not unmute', async () => {
    const { browser, devices } = setUp([...HEADSET], [...MICROPHONE]);
    await devices.setMicrophone(true);
    await devices.setMicrophone(false);
    browser.unplug('headset');
    await vi.waitFor(() => expect(devices.state.get().devices).toHaveLength(1));
    expect(devices.microphone.get()).toBeNull();
    expect(devices.state.get().on.microphone).toBe(false);
  });

  it("out the chosen speaker goes back to the system's", async () => {
    const { browser, devices, kinds } = setUp(
      [...MICROPHONE],
      ['audiooutput', 'a', 'A'],
      ['audiooutput', 'b', 'B'],
    );
    await devices.setMicrophone(true);
    await devices.choose('speaker', 'b');
    browser.unplug('b');
    await vi.waitFor(() => expect(kinds()).toEqual(['speaker-lost']));
    expect(devices.state.get().chosen.speaker).toBeNull();
  });
});

describe('notices', () => {
  it('go by themselves', async () => {
    const { clock, devices, kinds } = setUp();
    await devices.setCamera(true);
    expect(kinds()).toEqual(['camera-missing']);
    await clock.advance(60_000);
    expect(kinds()).toEqual([]);
  });
});

describe('closing', () => {
  it('lets go of every device and hears of no other', async () => {
    const { browser, devices, kinds } = setUp([...MICROPHONE], [...CAMERA]);
    await devices.start(BOTH);
    devices.close();
    expect(browser.tracks.every((track) => track.readyState === 'ended')).toBe(true);
    browser.plug(...HEADSET);
    await browser.enumerateDevices();
    expect(kinds()).toEqual([]);
  });
});
