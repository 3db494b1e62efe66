import type { Action } from './action';

/** Closes whatever lies on top: a dialog, a menu, then what was opened from a tile, then the panel. */
export const close: Action = {
  id: 'close',
  group: 'view',
  name: 'meeting.action.close',
  label: () => 'meeting.action.close',
  icon: () => 'close',
  shortcut: { key: 'escape', whileTyping: true },
  available: ({ screen: { dialog, menu, numbers, panel } }) =>
    dialog !== null || menu !== null || numbers !== null || panel !== null,
  pressed: () => null,
  run: ({ screen }) => screen.closeTop(),
};
