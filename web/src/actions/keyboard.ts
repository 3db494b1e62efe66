/** Turns keys into actions. Decides only; who listens to which element is the caller's matter. */
import type { Action, ActionContext, ActionView } from './action';
import { ACTIONS } from './index';

/** What is read of a `KeyboardEvent`. */
export interface KeyPress {
  key: string;
  code: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  repeat: boolean;
  isComposing: boolean;
  target: EventTarget | null;
}

export interface KeyboardHost {
  view(): ActionView;
  context: ActionContext;
  /** Keys that write may be switched off (WCAG 2.1.4). */
  enabled(): boolean;
}

export class Keyboard {
  readonly #host: KeyboardHost;
  readonly #byKey = new Map<string, Action>();
  #held: { key: string; action: Action } | null = null;

  constructor(host: KeyboardHost, actions: readonly Action[] = ACTIONS) {
    this.#host = host;
    for (const action of actions) {
      if (action.shortcut) this.#byKey.set(action.shortcut.key, action);
    }
  }

  /** Returns whether the key was an action, so that the browser does nothing else with it. */
  down(press: KeyPress): boolean {
    if (press.ctrlKey || press.altKey || press.metaKey || press.isComposing) return false;
    const key = keyOf(press);
    const action = this.#byKey.get(key);
    if (!action?.shortcut) return false;
    // The key repeats while it is held: the page must not scroll meanwhile.
    if (press.repeat) return this.#held?.key === key;
    if (!this.#host.enabled() && !action.shortcut.whileTyping) return false;
    if (!action.shortcut.whileTyping && isTyping(press.target)) return false;
    if (key === ' ' && isControl(press.target)) return false;
    if (key === 'escape' && isOpenList(press.target)) return false;
    if (!action.available(this.#host.view())) return false;
    if (action.shortcut.hold) this.#held = { key, action };
    void action.run(this.#host.context);
    return true;
  }

  up(press: Pick<KeyPress, 'key' | 'code'>): void {
    if (this.#held?.key === keyOf(press)) this.release();
  }

  /** The page lost the keyboard: the end of a held key would never be heard. */
  release(): void {
    const held = this.#held;
    this.#held = null;
    void held?.action.release?.(this.#host.context);
  }
}

/** On a keyboard for another script, the letter that is printed beside: `KeyM` is `m`. */
function keyOf({ key, code }: Pick<KeyPress, 'key' | 'code'>): string {
  const other = /^Key([A-Z])$/.exec(code);
  if (other?.[1] && key.length === 1 && key > '\u007f') return other[1].toLowerCase();
  return key.toLowerCase();
}

/** Text fields, and lists in which letters look for an entry. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof Element)) return false;
  const typed = 'textarea, select, [contenteditable=""], [contenteditable="true"], [role="textbox"]';
  if (target.closest(`${typed}, [role="listbox"], [role="combobox"], dialog[open]`)) return true;
  const input = target.closest('input');
  return input !== null && !NOT_TYPED.has(input.type);
}

const NOT_TYPED = new Set(['checkbox', 'radio', 'button', 'submit', 'reset', 'range', 'color', 'file']);

/** A list of choices closes itself, and nothing else with it. */
function isOpenList(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('[role="listbox"]') !== null;
}

/** Space already means something here. */
function isControl(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest('button, a[href], input, summary, [role="button"], [role="menuitem"], [tabindex="0"]') !==
      null
  );
}
