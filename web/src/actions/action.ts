/**
 * What a person can do in a meeting. An action says what it is called, what it looks like, which key
 * it has and when it makes sense; the bar, menus, the keyboard and the help sheet are drawn from it.
 */
import type { MeetingHandle, MeetingView } from '../core/model';
import type { PlainKey } from '../locales';
import type { IconName } from '../ui/meeting/icons';
import type { MeetingScreen, ScreenView } from '../ui/meeting/model/screen';

/** What an action can look at. */
export interface ActionView {
  meeting: MeetingView;
  screen: ScreenView;
}

/** What an action can cause. */
export interface ActionContext {
  meeting: MeetingHandle;
  screen: MeetingScreen;
}

/** A key as `KeyboardEvent.key` has it, letters in lower case; always without Ctrl, Alt and Meta. */
export interface Shortcut {
  key: string;
  /** Also while a text is being written. Only for keys that write nothing. */
  whileTyping?: boolean;
  /** Acts while the key is down: `run` at the start, `release` at the end. */
  hold?: boolean;
}

/** Under which heading of the help sheet. */
export type ActionGroup = 'media' | 'reactions' | 'panels' | 'view' | 'meeting';

export interface Action {
  id: string;
  group: ActionGroup;
  /** What it does now: of a switch that is on, how to switch it off. */
  label(view: ActionView): PlainKey;
  /** What the help sheet calls it, whatever its state. */
  name: PlainKey;
  icon(view: ActionView): IconName;
  shortcut: Shortcut | null;
  available(view: ActionView): boolean;
  /** Whether a switch is on; null for what is not a switch. */
  pressed(view: ActionView): boolean | null;
  run(context: ActionContext): void | Promise<void>;
  release?(context: ActionContext): void | Promise<void>;
}

/** In the meeting, or about to be again: things can be asked for. */
export function inMeeting({ meeting }: ActionView): boolean {
  return meeting.state === 'connected' || meeting.state === 'reconnecting';
}
