import type { Action } from './action';

/** Closes whatever lies on top: a menu, then what was opened from a tile, then the panel. */
export const close: Action = {
  id: 'close',
  group: 'view',
  name: 'meeting.action.close',
  label: () => 'meeting.action.close',
  icon: () => 'close',
  shortcut: { key: 'escape', whileTyping: true },
  available: ({ screen }) => screen.menu !== null || screen.numbers !== null || screen.panel !== null,
  pressed: () => null,
  run: ({ screen }) => screen.closeTop(),
};
