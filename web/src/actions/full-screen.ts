import type { Action } from './action';

export const fullScreen: Action = {
  id: 'full-screen',
  group: 'view',
  name: 'meeting.action.full-screen',
  label: ({ screen }) =>
    screen.fullScreen ? 'meeting.action.full-screen-end' : 'meeting.action.full-screen',
  icon: ({ screen }) => (screen.fullScreen ? 'full-screen-end' : 'full-screen'),
  shortcut: { key: 'f' },
  available: ({ screen }) => screen.can.fullScreen,
  pressed: ({ screen }) => screen.fullScreen,
  run: ({ screen }) => screen.toggleFullScreen(),
};
