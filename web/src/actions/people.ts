import type { Action } from './action';

export const people: Action = {
  id: 'people',
  group: 'panels',
  name: 'meeting.action.people',
  label: ({ screen }) =>
    screen.panel === 'people' ? 'meeting.action.people-close' : 'meeting.action.people',
  icon: () => 'people',
  shortcut: { key: 'p' },
  available: () => true,
  pressed: ({ screen }) => screen.panel === 'people',
  run: ({ screen }) => screen.togglePanel('people'),
};
