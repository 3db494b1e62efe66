import type { Action } from './action';

export const copyLink: Action = {
  id: 'copy-link',
  group: 'meeting',
  name: 'meeting.action.copy-link',
  label: ({ screen }) => (screen.linkCopied ? 'meeting.action.link-copied' : 'meeting.action.copy-link'),
  icon: ({ screen }) => (screen.linkCopied ? 'done' : 'link'),
  shortcut: null,
  available: () => true,
  pressed: () => null,
  run: ({ screen }) => screen.copyLink(),
};
