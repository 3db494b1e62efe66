import { inMeeting, type Action } from './action';

/** Open the microphone while the key is down. Does nothing to a microphone that is open already. */
export const talk: Action = {
  id: 'talk',
  group: 'media',
  name: 'meeting.action.talk',
  label: () => 'meeting.action.talk',
  icon: () => 'microphone',
  shortcut: { key: ' ', hold: true },
  available: (view) => inMeeting(view) && (view.screen.talking || !view.meeting.own.microphone),
  pressed: ({ screen }) => screen.talking,
  run: ({ screen }) => screen.startTalking(),
  release: ({ screen }) => screen.stopTalking(),
};
