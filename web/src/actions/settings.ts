import type { Action } from './action';

export const settings: Action = {
  id: 'settings',
  group: 'panels',
  name: 'meeting.action.settings',
  label: ({ screen }) =>
    screen.panel === 'settings' ? 'meeting.action.settings-close' : 'meeting.action.settings',
  icon: () => 'settings',
  shortcut: null,
  available: () => true,
  pressed: ({ screen }) => screen.panel === 'settings',
  run: ({ screen }) => screen.togglePanel('settings'),
};
