import type { Reaction } from '../core/proto';
import type { PlainKey } from '../locales';
import { inMeeting, type Action } from './action';

/** In the order of the keys 1 to 9. */
export const REACTIONS = [
  'thumbs-up',
  'clap',
  'heart',
  'laugh',
  'surprised',
  'party',
  'thinking',
  'sad',
  'thumbs-down',
] as const satisfies readonly Reaction[];

/** What each reaction looks like; drawn by the system's emoji font. */
export const EMOJI: Readonly<Record<Reaction, string>> = {
  'thumbs-up': '👍',
  clap: '👏',
  heart: '❤️',
  laugh: '😂',
  surprised: '😮',
  party: '🎉',
  thinking: '🤔',
  sad: '😢',
  'thumbs-down': '👎',
};

export const reactionName = (reaction: Reaction): PlainKey => `meeting.reaction.${reaction}`;

export const react: readonly Action[] = REACTIONS.map((reaction, index) => ({
  id: `react-${reaction}`,
  group: 'reactions',
  name: reactionName(reaction),
  label: () => reactionName(reaction),
  icon: () => 'reactions',
  shortcut: { key: String(index + 1) },
  available: inMeeting,
  pressed: () => null,
  run: ({ meeting }) => meeting.react(reaction),
}));
