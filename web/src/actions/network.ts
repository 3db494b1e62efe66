import type { Action } from './action';

export const network: Action = {
  id: 'network',
  group: 'panels',
  name: 'meeting.action.network',
  label: ({ screen }) =>
    screen.panel === 'network' ? 'meeting.action.network-close' : 'meeting.action.network',
  icon: () => 'network',
  shortcut: { key: 'n' },
  available: () => true,
  pressed: ({ screen }) => screen.panel === 'network',
  run: ({ screen }) => screen.togglePanel('network'),
};
