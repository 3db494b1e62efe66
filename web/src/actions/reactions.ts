import { inMeeting, type Action } from './action';

/** Opens the choice of reactions. */
export const reactions: Action = {
  id: 'reactions',
  group: 'reactions',
  name: 'meeting.action.reactions',
  label: () => 'meeting.action.reactions',
  icon: () => 'reactions',
  shortcut: null,
  available: inMeeting,
  pressed: ({ screen }) => screen.menu === 'reactions',
  run: ({ screen }) => screen.toggleMenu('reactions'),
};
