/** All actions, in the order of the help sheet. */
import type { Action } from './action';
import { camera } from './camera';
import { chat } from './chat';
import { close } from './close';
import { copyLink } from './copy-link';
import { endForAll } from './end-for-all';
import { fullScreen } from './full-screen';
import { hand } from './hand';
import { help } from './help';
import { hideSelf } from './hide-self';
import { layout } from './layout';
import { leave } from './leave';
import { lock } from './lock';
import { microphone } from './microphone';
import { more } from './more';
import { network } from './network';
import { people } from './people';
import { pictureInPicture } from './picture-in-picture';
import { react } from './react';
import { reactions } from './reactions';
import { settings } from './settings';
import { share } from './share';
import { talk } from './talk';

export const ACTIONS: readonly Action[] = [
  microphone,
  camera,
  talk,
  share,
  hand,
  reactions,
  ...react,
  chat,
  people,
  network,
  settings,
  layout,
  fullScreen,
  pictureInPicture,
  hideSelf,
  copyLink,
  lock,
  help,
  more,
  close,
  leave,
  endForAll,
];

/** What the bar shows, from left to right; on phones the first five and `more`. */
export const BAR = {
  media: [microphone, camera, share],
  expression: [hand, reactions],
  panels: [chat, people],
} as const satisfies Record<string, readonly Action[]>;

/** What the menu of `more` shows, in groups. */
export const MENU: readonly (readonly Action[])[] = [
  [layout, fullScreen, pictureInPicture, hideSelf],
  [copyLink, lock],
  [network, settings, help],
  [endForAll],
];

export { EMOJI, REACTIONS, reactionName } from './react';
export { leave } from './leave';
export { more } from './more';
export { share } from './share';
export { microphone } from './microphone';
export { camera } from './camera';
export { copyLink } from './copy-link';
export type { Action, ActionContext, ActionView } from './action';
