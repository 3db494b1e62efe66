import type { Action } from './action';

/** Takes one's own picture off one's own screen; the others still see it. */
export const hideSelf: Action = {
  id: 'hide-self',
  group: 'view',
  name: 'meeting.action.hide-self',
  label: ({ screen }) =>
    screen.preferences.selfView ? 'meeting.action.hide-self' : 'meeting.action.hide-self-end',
  icon: ({ screen }) => (screen.preferences.selfView ? 'self-view-off' : 'self-view'),
  shortcut: null,
  available: () => true,
  pressed: ({ screen }) => !screen.preferences.selfView,
  run: ({ screen }) => screen.toggleSelfView(),
};
