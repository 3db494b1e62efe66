import type { Action } from './action';

/** Always works, whatever the connection does. */
export const leave: Action = {
  id: 'leave',
  group: 'meeting',
  name: 'meeting.action.leave',
  label: () => 'meeting.action.leave',
  icon: () => 'leave',
  shortcut: null,
  available: () => true,
  pressed: () => null,
  run: ({ meeting }) => meeting.leave(),
};
