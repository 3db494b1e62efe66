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
