import { inMeeting, type Action } from './action';

export const microphone: Action = {
  id: 'microphone',
  group: 'media',
  name: 'meeting.action.microphone',
  label: ({ meeting }) =>
    meeting.own.microphone ? 'meeting.action.microphone-off' : 'meeting.action.microphone-on',
  icon: ({ meeting }) => (meeting.own.microphone ? 'microphone' : 'microphone-off'),
  shortcut: { key: 'm' },
  available: inMeeting,
  pressed: ({ meeting }) => meeting.own.microphone,
  run: ({ meeting }) => meeting.setMicrophone(!meeting.view.get().own.microphone),
};
