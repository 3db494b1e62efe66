/** Which device to use: decisions only, so that every case is a test. */
import type { RememberedDevice } from '../preferences';

export type DeviceKind = 'microphone' | 'camera' | 'speaker';

export interface DeviceInfo {
  id: string;
  kind: DeviceKind;
  /** Empty before permission was given. */
  label: string;
  /** The same for the parts of one thing, such as a headset. */
  group: string;
}

const KINDS: Record<MediaDeviceKind, DeviceKind> = {
  audioinput: 'microphone',
  audiooutput: 'speaker',
  videoinput: 'camera',
};

/** What the browser lists, without what is no choice of its own. */
export function readDevices(list: readonly MediaDeviceInfo[]): DeviceInfo[] {
  return (
    list
      .map(({ deviceId, kind, label, groupId }) => ({
        id: deviceId,
        kind: KINDS[kind],
        label,
        group: groupId,
      }))
      // Chromium on Windows lists each telephone device once more under this id; before permission ids are empty.
      .filter((device) => device.id !== '' && device.id !== 'communications')
  );
}

/**
 * The device to use: the remembered one; one of the same label (ids change when site data was
 * cleared); otherwise the first, which is the system's choice. Null when there is none.
 */
export function chooseDevice(
  devices: readonly DeviceInfo[],
  kind: DeviceKind,
  remembered: RememberedDevice | null,
): DeviceInfo | null {
  const candidates = devices.filter((device) => device.kind === kind);
  const first = candidates[0] ?? null;
  if (!remembered) return first;
  return (
    candidates.find((device) => device.id === remembered.id) ??
    candidates.find((device) => device.label !== '' && device.label === remembered.label) ??
    first
  );
}

export interface DeviceChange {
  added: DeviceInfo[];
  removed: DeviceInfo[];
}

/**
 * What was plugged in and out. Devices that only became visible, because permission was given or
 * ids were renewed, are not news.
 */
export function compareDevices(before: readonly DeviceInfo[], after: readonly DeviceInfo[]): DeviceChange {
  const labelled = (devices: readonly DeviceInfo[]) => devices.some((device) => device.label !== '');
  if (!labelled(before) || !labelled(after)) return { added: [], removed: [] };
  const missingFrom = (list: readonly DeviceInfo[]) => (device: DeviceInfo) =>
    !isPseudo(device) &&
    !list.some(
      (other) => other.kind === device.kind && (other.id === device.id || other.label === device.label),
    );
  return { added: after.filter(missingFrom(before)), removed: before.filter(missingFrom(after)) };
}

/** `default` follows the system and is never plugged in or out itself. */
function isPseudo(device: DeviceInfo): boolean {
  return device.id === 'default';
}

/** A new device worth offering: a microphone (a headset brings one), else a camera, else a speaker. */
export function worthOffering(added: readonly DeviceInfo[]): DeviceInfo | null {
  for (const kind of ['microphone', 'camera', 'speaker'] as const) {
    const device = added.find((candidate) => candidate.kind === kind && candidate.label !== '');
    if (device) return device;
  }
  return null;
}

/** The other parts of the same thing: a headset's microphone comes with its speaker. */
export function companions(devices: readonly DeviceInfo[], device: DeviceInfo): DeviceInfo[] {
  if (device.group === '' || device.kind === 'camera') return [];
  return devices.filter(
    (other) =>
      other.group === device.group &&
      other.kind !== device.kind &&
      other.kind !== 'camera' &&
      !isPseudo(other),
  );
}
