import type { Action } from './action';

export const pictureInPicture: Action = {
  id: 'picture-in-picture',
  group: 'view',
  name: 'meeting.action.picture-in-picture',
  label: ({ screen }) =>
    screen.pictureInPicture ? 'meeting.action.picture-in-picture-end' : 'meeting.action.picture-in-picture',
  icon: () => 'picture-in-picture',
  shortcut: null,
  available: ({ screen }) => screen.can.pictureInPicture,
  pressed: ({ screen }) => screen.pictureInPicture,
  run: ({ screen }) => screen.togglePictureInPicture(),
};
