import type { Action } from './action';

export const chat: Action = {
  id: 'chat',
  group: 'panels',
  name: 'meeting.action.chat',
  label: ({ screen }) => (screen.panel === 'chat' ? 'meeting.action.chat-close' : 'meeting.action.chat'),
  icon: () => 'chat',
  shortcut: { key: 'c' },
  available: () => true,
  pressed: ({ screen }) => screen.panel === 'chat',
  run: ({ screen }) => screen.togglePanel('chat'),
};
