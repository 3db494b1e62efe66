import { beforeEach, describe, expect, it, vi } from 'vitest';
import { VirtualClock } from '../core/virtual-clock';
import { Preferences } from '../core/preferences';
import { setLocale, translateDynamic } from '../locales';
import { FakeMeeting } from '../testing/fake-meeting';
import { ICONS } from '../ui/meeting/icons';
import { MeetingScreen, type ScreenPlatform } from '../ui/meeting/model/screen';
import { ACTIONS, BAR, MENU, type ActionView } from './index';
import { Keyboard, type KeyPress } from './keyboard';

const platform: ScreenPlatform = {
  can: { share: true, fullScreen: true, pictureInPicture: true },
  enterFullScreen: () => Promise.resolve(),
  leaveFullScreen: () => Promise.resolve(),
  enterPictureInPicture: () => Promise.resolve(),
  leavePictureInPicture: () => Promise.resolve(),
  copyLink: () => Promise.resolve(true),
};

function setUp() {
  const meeting = new FakeMeeting({ role: 'host' });
  meeting.setPeople([
    { id: 'me', name: 'Ada', isSelf: true },
    { id: 'bo', name: 'Bo' },
  ]);
  const preferences = new Preferences(null);
  const screen = new MeetingScreen(meeting, platform, preferences, new VirtualClock());
  const view = (): ActionView => ({ meeting: meeting.view.get(), screen: screen.view.get() });
  const keyboard = new Keyboard({
    view,
    context: { meeting, screen },
    enabled: () => preferences.get('shortcuts'),
  });
  return { meeting, preferences, screen, view, keyboard };
}

function press(key: string, change: Partial<KeyPress> = {}): KeyPress {
  const none = { ctrlKey: false, altKey: false, metaKey: false, repeat: false, isComposing: false };
  return { key, code: '', target: document.body, ...none, ...change };
}

describe('the registry', () => {
  it('has each id and each key once', () => {
    const ids = ACTIONS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const keys = ACTIONS.flatMap(({ shortcut }) => (shortcut ? [shortcut.key] : []));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('has the keys that people know', () => {
    const keys = ACTIONS.flatMap(({ shortcut }) => (shortcut ? [shortcut.key] : [])).sort();
    expect(keys).toEqual([...' 123456789?cfghmnpsv', 'escape'].sort());
  });

  it('knows everything that the bar and the menu show', () => {
    for (const action of [...Object.values(BAR).flat(), ...MENU.flat()]) expect(ACTIONS).toContain(action);
  });

  it.each(['en', 'zh-CN'] as const)(
    'has words (%s) and an icon for each action in each state',
    async (locale) => {
      await setLocale(locale);
      const { meeting, screen, view } = setUp();
      const check = (): void => {
        for (const action of ACTIONS) {
          expect(translateDynamic(action.name), action.name).toBeDefined();
          expect(translateDynamic(action.label(view())), action.label(view())).toBeDefined();
          expect(ICONS).toHaveProperty([action.icon(view())]);
        }
      };
      check();
      await Promise.all([meeting.setMicrophone(false), meeting.setCamera(false), meeting.startScreen()]);
      await meeting.setHand(true);
      screen.togglePanel('chat');
      screen.toggleLayout();
      screen.toggleSelfView();
      check();
    },
  );
});

describe('keys', () => {
  beforeEach(() => setLocale('en'));

  it('do what the button does', () => {
    const { meeting, screen, keyboard } = setUp();
    expect(keyboard.down(press('m'))).toBe(true);
    expect(meeting.view.get().own.microphone).toBe(false);
    keyboard.down(press('C'));
    expect(screen.view.get().panel).toBe('chat');
    keyboard.down(press('3'));
    expect(meeting.asked.at(-1)).toEqual(['react', 'heart']);
    keyboard.down(press('?'));
    expect(screen.view.get().dialog).toBe('help');
  });

  it('never act while somebody types', () => {
    const { meeting, screen, keyboard } = setUp();
    const field = document.createElement('textarea');
    expect(keyboard.down(press('m', { target: field }))).toBe(false);
    expect(meeting.view.get().own.microphone).toBe(true);
    expect(keyboard.down(press('m', { isComposing: true }))).toBe(false);
    screen.togglePanel('chat');
    expect(keyboard.down(press('Escape', { target: field }))).toBe(true);
    expect(screen.view.get().panel).toBeNull();
  });

  it('leave the browser its own', () => {
    const { keyboard } = setUp();
    expect(keyboard.down(press('c', { ctrlKey: true }))).toBe(false);
    expect(keyboard.down(press('p', { metaKey: true }))).toBe(false);
    expect(keyboard.down(press('x'))).toBe(false);
    expect(keyboard.down(press('Escape'))).toBe(false);
  });

  it('leave Escape to a list of choices that is open', () => {
    const { screen, keyboard } = setUp();
    screen.togglePanel('settings');
    const list = document.createElement('div');
    list.setAttribute('role', 'listbox');
    expect(keyboard.down(press('Escape', { target: list }))).toBe(false);
    expect(screen.view.get().panel).toBe('settings');
  });

  it('can be switched off', () => {
    const { meeting, preferences, keyboard } = setUp();
    preferences.set('shortcuts', false);
    expect(keyboard.down(press('m'))).toBe(false);
    expect(meeting.view.get().own.microphone).toBe(true);
  });

  it('are found on a keyboard for another script', () => {
    const { meeting, keyboard } = setUp();
    keyboard.down(press('ь', { code: 'KeyM' }));
    expect(meeting.view.get().own.microphone).toBe(false);
  });

  it('do not repeat', () => {
    const { meeting, keyboard } = setUp();
    keyboard.down(press('m'));
    keyboard.down(press('m', { repeat: true }));
    expect(meeting.view.get().own.microphone).toBe(false);
  });

  it('open the microphone as long as space is held', async () => {
    const { meeting, keyboard } = setUp();
    await meeting.setMicrophone(false);
    keyboard.down(press(' '));
    expect(meeting.view.get().own.microphone).toBe(true);
    expect(keyboard.down(press(' ', { repeat: true }))).toBe(true);
    keyboard.up(press(' '));
    await vi.waitFor(() => expect(meeting.view.get().own.microphone).toBe(false));
  });

  it('close the microphone when the page loses the keyboard', async () => {
    const { meeting, keyboard } = setUp();
    await meeting.setMicrophone(false);
    keyboard.down(press(' '));
    keyboard.release();
    await vi.waitFor(() => expect(meeting.view.get().own.microphone).toBe(false));
  });

  it('leave space to the control that has the focus', async () => {
    const { meeting, keyboard } = setUp();
    await meeting.setMicrophone(false);
    expect(keyboard.down(press(' ', { target: document.createElement('button') }))).toBe(false);
    expect(meeting.view.get().own.microphone).toBe(false);
  });

  it('do not mute somebody who was heard before space was held', () => {
    const { meeting, keyboard } = setUp();
    keyboard.down(press(' '));
    keyboard.up(press(' '));
    expect(meeting.view.get().own.microphone).toBe(true);
  });
});

describe('what only hosts can do', () => {
  it('is not offered to others', () => {
    const { meeting, view } = setUp();
    const offered = (): string[] => ACTIONS.filter((action) => action.available(view())).map(({ id }) => id);
    expect(offered()).toEqual(expect.arrayContaining(['lock', 'end-for-all']));
    meeting.set({ role: 'participant' });
    expect(offered()).not.toContain('lock');
    expect(offered()).not.toContain('end-for-all');
  });
});
