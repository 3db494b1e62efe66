/** Who is written where in the list of people. */
import { every, type Clock } from '../../../core/clock';
import type { MeetingHandle, MeetingView, ParticipantView, PeoplePage, Readable } from '../../../core/model';
import { Store } from '../../../core/store';

export interface PersonRow {
  person: ParticipantView;
  /** Position among the raised hands, from 1. */
  handPlace: number | null;
}

/** Raised hands first, in their order; then everybody by arrival. */
export function peopleRows({
  participants,
  hands,
}: Pick<MeetingView, 'participants' | 'hands'>): PersonRow[] {
  const place = new Map(hands.map((id, index) => [id, index + 1]));
  const rows = participants.map((person) => ({ person, handPlace: place.get(person.id) ?? null }));
  const raised = rows.filter(({ handPlace }) => handPlace !== null);
  raised.sort((a, b) => (a.handPlace ?? 0) - (b.handPlace ?? 0));
  return [...raised, ...rows.filter(({ handPlace }) => handPlace === null)];
}

export interface PeopleListView {
  rows: readonly PersonRow[];
  /** There are people who have not been asked for yet. */
  more: boolean;
}

/** A page as it was last told, and where it begins. */
interface LoadedPage extends PeoplePage {
  after: number | null;
}

/** How long after the last letter the server is asked, in milliseconds. */
const TYPING_MS = 250;
/** How often what is looked at is asked for anew, in milliseconds: of those people no change is told. */
const REFRESH_MS = 10_000;
/** With fewer rows than this below what is looked at, the next page is asked for. */
const AHEAD = 25;
/** Pages without anybody that a search asks for in a row; scrolling goes on from there. */
const MOST_EMPTY = 8;

/**
 * The list of people: whoever the page is told of anyway, and in a large room the others, a page at a
 * time as somebody looks at them.
 */
export class PeopleList {
  readonly #meeting: MeetingHandle;
  readonly #clock: Clock;
  readonly #view = new Store<PeopleListView>({ rows: [], more: false });
  readonly #ends: (() => void)[] = [];
  #pages: LoadedPage[] = [];
  #search = '';
  #seen = { first: 0, last: 0 };
  /** Counts what was searched for: an answer to an earlier search is void. */
  #turn = 0;
  #loading = false;
  #cancelTyping = (): void => undefined;

  constructor(meeting: MeetingHandle, clock: Clock) {
    this.#meeting = meeting;
    this.#clock = clock;
    this.#ends.push(
      meeting.view.subscribe(() => this.#draw()),
      every(clock, REFRESH_MS, () => void this.#refresh()),
    );
  }

  get view(): Readable<PeopleListView> {
    return this.#view;
  }

  /** Shows only those whose name holds this. */
  search(text: string): void {
    if (text === this.#search) return;
    this.#search = text;
    this.#turn += 1;
    this.#pages = [];
    this.#seen = { first: 0, last: 0 };
    this.#loading = false;
    this.#cancelTyping();
    this.#cancelTyping = this.#clock.after(TYPING_MS, () => void this.#load());
    this.#draw();
  }

  /** These rows are looked at, from 0. */
  look(first: number, last: number): void {
    this.#seen = { first, last };
    if (last + AHEAD >= this.#view.get().rows.length) void this.#load();
  }

  end(): void {
    this.#cancelTyping();
    for (const end of this.#ends) end();
    this.#turn += 1;
  }

  get #isComplete(): boolean {
    const { participants, participantCount } = this.#meeting.view.get();
    return participants.length >= participantCount;
  }

  /** Asks for the next page; goes on while what comes is empty. */
  async #load(): Promise<void> {
    // Nothing to tell when there is nothing to ask: whoever draws would look again, without end.
    if (this.#loading || this.#isComplete || this.#pages.at(-1)?.next === null) return;
    this.#loading = true;
    const turn = this.#turn;
    for (let empty = 0; empty < MOST_EMPTY; empty += 1) {
      const last = this.#pages.at(-1);
      if (last?.next === null) break;
      const after = last?.next ?? null;
      const page = await this.#meeting.findPeople(after, this.#search);
      if (turn !== this.#turn) return;
      if (!page) break;
      this.#pages.push({ ...page, after });
      if (page.people.length > 0) break;
    }
    this.#loading = false;
    this.#draw();
  }

  /** Asks again for the pages that are looked at. */
  async #refresh(): Promise<void> {
    if (this.#isComplete) return;
    const turn = this.#turn;
    // The rows of those whom the page is told of anyway come first.
    let start = this.#known().length;
    const listed = this.#listed();
    for (const [index, page] of this.#pages.entries()) {
      const end = start + page.people.filter(({ id }) => !listed.has(id)).length;
      if (start <= this.#seen.last && end > this.#seen.first) {
        const fresh = await this.#meeting.findPeople(page.after, this.#search);
        if (turn !== this.#turn) return;
        // Where the page ends may have moved; what follows it stays as it was told.
        if (fresh)
          this.#pages[index] = {
            ...fresh,
            after: page.after,
            next: this.#pages[index + 1]?.after ?? fresh.next,
          };
      }
      start = end;
    }
    this.#draw();
  }

  #listed(): Set<string> {
    return new Set(this.#meeting.view.get().participants.map(({ id }) => id));
  }

  #known(): PersonRow[] {
    const wanted = this.#search.trim().toLocaleLowerCase();
    return peopleRows(this.#meeting.view.get()).filter(({ person }) =>
      person.name.toLocaleLowerCase().includes(wanted),
    );
  }

  #draw(): void {
    const known = this.#known();
    if (this.#isComplete) {
      this.#view.set({ rows: known, more: false });
      return;
    }
    const listed = this.#listed();
    const others = new Map<string, PersonRow>();
    for (const person of this.#pages.flatMap(({ people }) => people)) {
      if (!listed.has(person.id)) others.set(person.id, { person, handPlace: null });
    }
    this.#view.set({ rows: [...known, ...others.values()], more: this.#pages.at(-1)?.next !== null });
  }
}

/** Which rows to draw of a list that is scrolled: what is seen, and some above and below. */
export function drawnRows(
  list: { scrollTop: number; height: number; rowHeight: number },
  rows: number,
): { first: number; last: number } {
  const margin = 10;
  const first = Math.min(rows, Math.max(0, Math.floor(list.scrollTop / list.rowHeight) - margin));
  const last = Math.min(rows, Math.ceil((list.scrollTop + list.height) / list.rowHeight) + margin);
  return { first, last: Math.max(first, last) };
}
