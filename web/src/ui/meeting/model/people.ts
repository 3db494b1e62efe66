/** Who is written where in the list of people. */
import type { MeetingView, ParticipantView } from '../../../core/model';

export interface PersonRow {
  person: ParticipantView;
  /** Position among the raised hands, from 1. */
  handPlace: number | null;
}

/** Raised hands first, in their order; then everybody by arrival. */
export function peopleRows({ participants, hands }: MeetingView): PersonRow[] {
  const place = new Map(hands.map((id, index) => [id, index + 1]));
  const rows = participants.map((person) => ({ person, handPlace: place.get(person.id) ?? null }));
  const raised = rows.filter(({ handPlace }) => handPlace !== null);
  raised.sort((a, b) => (a.handPlace ?? 0) - (b.handPlace ?? 0));
  return [...raised, ...rows.filter(({ handPlace }) => handPlace === null)];
}

/** One or two letters for a person without a picture: of a Chinese name the last two characters. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const [first] = words;
  if (first === undefined) return '';
  if (/^\p{Script=Han}/u.test(first) && words.length === 1) return graphemes(first).slice(-2).join('');
  const last = words.length > 1 ? words.at(-1) : undefined;
  return [first, last]
    .flatMap((word) => (word === undefined ? [] : graphemes(word).slice(0, 1)))
    .join('')
    .toLocaleUpperCase();
}

/** One of `count` colours, always the same for a person. */
export function colourOf(participant: string, count: number): number {
  let hash = 0;
  for (const character of participant) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash % count;
}

function graphemes(text: string): string[] {
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}
