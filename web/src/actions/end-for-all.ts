import { inMeeting, type Action } from './action';

/** Asks first: it puts everybody out. */
export const endForAll: Action = {
  id: 'end-for-all',
  group: 'meeting',
  name: 'meeting.action.end-for-all',
  label: () => 'meeting.action.end-for-all',
  icon: () => 'end',
  shortcut: null,
  available: (view) => inMeeting(view) && view.meeting.role === 'host',
  pressed: () => null,
  run: ({ screen }) => screen.openDialog('end'),
};
