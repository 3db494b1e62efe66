import { inMeeting, type Action } from './action';

export const camera: Action = {
  id: 'camera',
  group: 'media',
  name: 'meeting.action.camera',
  label: ({ meeting }) => (meeting.own.camera ? 'meeting.action.camera-off' : 'meeting.action.camera-on'),
  icon: ({ meeting }) => (meeting.own.camera ? 'camera' : 'camera-off'),
  shortcut: { key: 'v' },
  available: inMeeting,
  pressed: ({ meeting }) => meeting.own.camera,
  run: ({ meeting }) => meeting.setCamera(!meeting.view.get().own.camera),
};
