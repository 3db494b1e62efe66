/** What a screen reader says by itself when the meeting changes. Pure. */
import type { ChatView, MeetingView, ParticipantView } from '../../../core/model';
import type { PreferenceValues } from '../../../core/preferences';

/** A locale key below `meeting.say.`, with what fills it in. */
export type Saying =
  | {
      key: 'joined' | 'left' | 'hand' | 'hand-lowered' | 'sharing' | 'sharing-ended';
      values: { name: string };
    }
  | { key: 'message'; values: { name: string; text: string } }
  | {
      key: 'connection-lost' | 'connection-back' | 'now-direct' | 'now-server';
      values: Record<string, never>;
    };

/** Said even when little is wanted: what changes who hears or sees, or whether oneself is heard. */
const IMPORTANT: ReadonlySet<Saying['key']> = new Set([
  'sharing',
  'sharing-ended',
  'connection-lost',
  'connection-back',
]);

/** Longer messages are read in the chat. */
const SPOKEN_CHARS = 300;

export function sayings(
  before: MeetingView,
  now: MeetingView,
  wanted: PreferenceValues['announcements'],
): Saying[] {
  if (wanted === 'none') return [];
  const all = [...connection(before, now), ...people(before, now), ...messages(before, now)];
  return wanted === 'all' ? all : all.filter(({ key }) => IMPORTANT.has(key));
}

function connection(before: MeetingView, now: MeetingView): Saying[] {
  if (before.state === 'connected' && now.state === 'reconnecting') {
    return [{ key: 'connection-lost', values: {} }];
  }
  if (before.state === 'reconnecting' && now.state === 'connected') {
    return [{ key: 'connection-back', values: {} }];
  }
  const moved = before.topology !== null && now.topology !== null && before.topology !== now.topology;
  if (!moved) return [];
  return [{ key: now.topology === 'sfu' ? 'now-server' : 'now-direct', values: {} }];
}

function people(before: MeetingView, now: MeetingView): Saying[] {
  // Those who were there on arrival are read in the list of people.
  if (before.state !== 'connected' || now.state !== 'connected') return [];
  const found: Saying[] = [];
  // In a large room who is listed says nothing about who came or went.
  const complete = [before, now].every(
    ({ participants, participantCount }) => participants.length === participantCount,
  );
  const known = new Map(before.participants.map((person) => [person.id, person]));
  const present = new Set(now.participants.map(({ id }) => id));
  for (const person of before.participants) {
    if (complete && !present.has(person.id)) found.push({ key: 'left', values: { name: person.name } });
  }
  for (const person of now.participants) {
    const same = known.get(person.id);
    if (!person.isSelf && (same || complete)) found.push(...changes(same, person));
  }
  return found;
}

function changes(before: ParticipantView | undefined, now: ParticipantView): Saying[] {
  const values = { name: now.name };
  if (!before) return [{ key: 'joined', values }];
  const found: Saying[] = [];
  if (before.hand === null && now.hand !== null) found.push({ key: 'hand', values });
  if (before.hand !== null && now.hand === null) found.push({ key: 'hand-lowered', values });
  if (!before.screen && now.screen) found.push({ key: 'sharing', values });
  if (before.screen && !now.screen) found.push({ key: 'sharing-ended', values });
  return found;
}

function messages(before: MeetingView, now: MeetingView): Saying[] {
  if (before.state !== 'connected') return [];
  const known = new Set(before.chat.map(({ key }) => key));
  return now.chat
    .filter((message) => !message.isSelf && !known.has(message.key))
    .map((message) => ({ key: 'message', values: { name: message.name, text: spoken(message) } }));
}

function spoken({ text }: ChatView): string {
  if (text.length <= SPOKEN_CHARS) return text;
  // A pair of surrogates is one character and stays together.
  return `${text.slice(0, SPOKEN_CHARS).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
