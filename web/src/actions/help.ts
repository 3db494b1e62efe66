import type { Action } from './action';

export const help: Action = {
  id: 'help',
  group: 'meeting',
  name: 'meeting.action.help',
  label: () => 'meeting.action.help',
  icon: () => 'help',
  shortcut: { key: '?' },
  available: () => true,
  pressed: () => null,
  run: ({ screen }) => screen.openDialog('help'),
};
