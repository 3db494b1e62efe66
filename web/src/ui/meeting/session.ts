/** Everything that the meeting screen is made of, wired up; components find it in their context. */
import { createContext } from 'svelte';
import { Keyboard } from '../../actions/keyboard';
import type { ActionContext, ActionView } from '../../actions';
import { systemClock, type Clock } from '../../core/clock';
import type { DeviceInfo, DeviceKind, DeviceNotice, DevicesState } from '../../core/devices';
import type { MeetingHandle, Readable } from '../../core/model';
import type { Preferences } from '../../core/preferences';
import { MeetingScreen } from './model/screen';
import { Stage } from './model/stage';
import { BrowserPlatform } from './platform';

/** What the screen needs of `Devices`. */
export interface DeviceControl {
  readonly state: Readable<DevicesState>;
  readonly level: Readable<number>;
  readonly notices: Readable<readonly DeviceNotice[]>;
  dismissNotice(id: number): void;
  choose(kind: DeviceKind, id: string): Promise<void>;
  testSpeaker(): Promise<boolean>;
}

export type { DeviceInfo, DeviceKind };

export class MeetingSession {
  readonly meeting: MeetingHandle;
  readonly devices: DeviceControl;
  readonly preferences: Preferences;
  readonly clock: Clock;
  readonly platform: BrowserPlatform;
  readonly screen: MeetingScreen;
  readonly stage: Stage;
  readonly keyboard: Keyboard;
  readonly context: ActionContext;
  readonly #ends: (() => void)[] = [];

  constructor(
    meeting: MeetingHandle,
    devices: DeviceControl,
    preferences: Preferences,
    clock: Clock = systemClock,
  ) {
    this.meeting = meeting;
    this.devices = devices;
    this.preferences = preferences;
    this.clock = clock;
    this.platform = new BrowserPlatform(meeting.view.get().room);
    this.screen = new MeetingScreen(meeting, this.platform, preferences, clock);
    this.stage = new Stage(meeting, this.screen, clock);
    this.context = { meeting, screen: this.screen };
    this.keyboard = new Keyboard({
      view: () => this.actionView(),
      context: this.context,
      enabled: () => preferences.get('shortcuts'),
    });
    this.#ends.push(
      this.#followSpeaker(),
      () => this.stage.end(),
      () => this.screen.end(),
    );
  }

  actionView(): ActionView {
    return { meeting: this.meeting.view.get(), screen: this.screen.view.get() };
  }

  end(): void {
    for (const end of this.#ends) end();
  }

  /** Sound goes to the chosen speaker, whoever chose it: the person, or a device that was unplugged. */
  #followSpeaker(): () => void {
    let used: string | null = null;
    return this.devices.state.subscribe(({ chosen }) => {
      if (chosen.speaker === used) return;
      used = chosen.speaker;
      void this.meeting.setSpeaker(used ?? '');
    });
  }
}

export const [useSession, provideSession] = createContext<MeetingSession>();
