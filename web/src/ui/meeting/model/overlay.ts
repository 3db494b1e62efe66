/** What floats over the stage for a moment. */
import type { ReactionView } from '../../../core/model';
import type { Reaction } from '../../../core/proto';

export interface ReactionPill {
  reaction: Reaction;
  /** Of the newest. */
  id: number;
  /** Newest last, each once. */
  names: readonly string[];
}

/** More kinds at once would cover the people. */
const MOST = 4;

/** Reactions of a kind together, in the order in which each kind was first shown. */
export function reactionPills(reactions: readonly ReactionView[]): ReactionPill[] {
  const pills = new Map<Reaction, { id: number; names: string[] }>();
  for (const { id, name, reaction } of reactions) {
    const pill = pills.get(reaction);
    if (!pill) pills.set(reaction, { id, names: [name] });
    else {
      pill.id = id;
      if (!pill.names.includes(name)) pill.names.push(name);
    }
  }
  return [...pills].map(([reaction, pill]) => ({ reaction, ...pill })).slice(-MOST);
}
