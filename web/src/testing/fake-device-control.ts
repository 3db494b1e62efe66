/** What the meeting screen sees of devices, without a browser's question. */
import type { DeviceKind, DevicesState } from '../core/devices';
import { Store } from '../core/store';
import type { DeviceControl } from '../ui/meeting/session';

export class FakeDeviceControl implements DeviceControl {
  readonly level = new Store(0.4);
  readonly notices = new Store<never[]>([]);
  readonly state = new Store<DevicesState>({
    devices: [
      { id: 'm1', kind: 'microphone', label: 'Built-in microphone', group: 'a' },
      { id: 'm2', kind: 'microphone', label: 'Headset', group: 'b' },
      { id: 'c1', kind: 'camera', label: 'Built-in camera', group: 'a' },
      { id: 's1', kind: 'speaker', label: 'Built-in speaker', group: 'a' },
      { id: 's2', kind: 'speaker', label: 'Headset', group: 'b' },
    ],
    chosen: { microphone: 'm1', camera: 'c1', speaker: 's1' },
    on: { microphone: true, camera: true },
    starting: { microphone: false, camera: false },
    problem: { microphone: null, camera: null },
  });

  dismissNotice(): void {
    this.notices.set([]);
  }

  choose(kind: DeviceKind, id: string): Promise<void> {
    this.state.update((state) => ({ ...state, chosen: { ...state.chosen, [kind]: id } }));
    return Promise.resolve();
  }

  testSpeaker(): Promise<boolean> {
    return Promise.resolve(true);
  }
}
