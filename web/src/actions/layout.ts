import type { Action } from './action';

/** Everybody alike, or whoever speaks large. */
export const layout: Action = {
  id: 'layout',
  group: 'view',
  name: 'meeting.action.layout',
  label: ({ screen }) =>
    screen.preferences.layout === 'grid' ? 'meeting.action.layout-speaker' : 'meeting.action.layout-grid',
  icon: ({ screen }) => (screen.preferences.layout === 'grid' ? 'layout-speaker' : 'layout-grid'),
  shortcut: { key: 'g' },
  available: () => true,
  pressed: () => null,
  run: ({ screen }) => screen.toggleLayout(),
};
