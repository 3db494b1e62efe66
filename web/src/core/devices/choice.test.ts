import { describe, expect, it } from 'vitest';
import {
  chooseDevice,
  companions,
  compareDevices,
  readDevices,
  worthOffering,
  type DeviceInfo,
} from './choice';

const device = (kind: DeviceInfo['kind'], id: string, label = id, group = ''): DeviceInfo => ({
  kind,
  id,
  label,
  group,
});
const builtIn = device('microphone', 'built-in', 'Built-in');
const headset = device('microphone', 'headset', 'Headset', 'h');
const headsetSpeaker = device('speaker', 'headset-out', 'Headset', 'h');
const camera = device('camera', 'cam', 'Camera');

describe('the device to use', () => {
  it('is the remembered one while it is there', () => {
    expect(chooseDevice([builtIn, headset], 'microphone', { id: 'headset', label: '' })).toBe(headset);
  });

  it('is one of the same label when ids were renewed', () => {
    expect(chooseDevice([builtIn, headset], 'microphone', { id: 'old-id', label: 'Headset' })).toBe(headset);
  });

  it('is the first one when the remembered one is gone', () => {
    expect(chooseDevice([builtIn, camera], 'microphone', { id: 'headset', label: 'Headset' })).toBe(builtIn);
  });

  it('is never of another kind', () => {
    expect(chooseDevice([builtIn], 'camera', { id: 'built-in', label: 'Built-in' })).toBeNull();
  });

  it('does not match devices by a label that the browser hides', () => {
    const hidden = [device('microphone', 'a', ''), device('microphone', 'b', '')];
    expect(chooseDevice(hidden, 'microphone', { id: 'x', label: '' })).toBe(hidden[0]);
  });
});

describe('what was plugged in or out', () => {
  it('is what is new or missing', () => {
    expect(compareDevices([builtIn, camera], [builtIn, headset])).toEqual({
      added: [headset],
      removed: [camera],
    });
  });

  it('is not what only became visible by permission', () => {
    const hidden = [device('microphone', 'a', '')];
    expect(compareDevices(hidden, [builtIn, camera])).toEqual({ added: [], removed: [] });
    expect(compareDevices([], [builtIn])).toEqual({ added: [], removed: [] });
  });

  it('is not the entry that follows the system', () => {
    const before = [device('microphone', 'default', 'Default - Built-in'), builtIn];
    const after = [device('microphone', 'default', 'Default - Headset'), builtIn, headset];
    expect(compareDevices(before, after).added).toEqual([headset]);
  });

  it('is not the same device under a new id', () => {
    expect(compareDevices([builtIn], [{ ...builtIn, id: 'renewed' }])).toEqual({ added: [], removed: [] });
  });
});

describe('a new headset', () => {
  it('is offered by its microphone and brings its speaker', () => {
    const added = [headsetSpeaker, headset];
    expect(worthOffering(added)).toBe(headset);
    expect(companions([builtIn, ...added, camera], headset)).toEqual([headsetSpeaker]);
  });

  it('brings nothing where the browser does not tell what belongs together', () => {
    expect(companions([builtIn, device('speaker', 's')], device('microphone', 'm'))).toEqual([]);
  });
});

describe('the list', () => {
  it('leaves out what is no choice: hidden entries and the second entry of telephones', () => {
    const raw = (kind: MediaDeviceKind, deviceId: string): MediaDeviceInfo => ({
      kind,
      deviceId,
      label: deviceId,
      groupId: '',
      toJSON: () => ({}),
    });
    const list = [raw('audioinput', ''), raw('audioinput', 'communications'), raw('videoinput', 'cam')];
    expect(readDevices(list).map(({ kind, id }) => [kind, id])).toEqual([['camera', 'cam']]);
  });
});
