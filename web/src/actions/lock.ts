import { inMeeting, type Action } from './action';

/** Lets nobody new in. */
export const lock: Action = {
  id: 'lock',
  group: 'meeting',
  name: 'meeting.action.lock',
  label: ({ meeting }) => (meeting.options.locked ? 'meeting.action.unlock' : 'meeting.action.lock'),
  icon: ({ meeting }) => (meeting.options.locked ? 'unlock' : 'lock'),
  shortcut: null,
  available: (view) => inMeeting(view) && view.meeting.role === 'host',
  pressed: ({ meeting }) => meeting.options.locked,
  run: ({ meeting }) => {
    const { options } = meeting.view.get();
    return meeting.setOptions({ ...options, locked: !options.locked });
  },
};
