import type { Action } from './action';

/** Opens the menu of everything that has no button in the bar. */
export const more: Action = {
  id: 'more',
  group: 'meeting',
  name: 'meeting.action.more',
  label: () => 'meeting.action.more',
  icon: () => 'more',
  shortcut: null,
  available: () => true,
  pressed: ({ screen }) => screen.menu === 'more',
  run: ({ screen }) => screen.toggleMenu('more'),
};
