import { inMeeting, type Action } from './action';

export const share: Action = {
  id: 'share',
  group: 'media',
  name: 'meeting.action.share',
  label: ({ meeting }) => (meeting.own.screen ? 'meeting.action.share-stop' : 'meeting.action.share'),
  icon: ({ meeting }) => (meeting.own.screen ? 'share-stop' : 'share'),
  shortcut: { key: 's' },
  available: (view) => inMeeting(view) && view.screen.can.share,
  pressed: ({ meeting }) => meeting.own.screen,
  run: ({ meeting }) => (meeting.view.get().own.screen ? meeting.stopScreen() : meeting.startScreen()),
};
