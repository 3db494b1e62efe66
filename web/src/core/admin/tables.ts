/** Sorting and searching the administrator's tables. */
import type { AdminParticipant, AdminRoomRow } from '../proto';

export interface Order<Column extends string> {
  readonly column: Column;
  readonly descending: boolean;
}

export type RoomColumn = 'name' | 'people' | 'received' | 'sent' | 'loss' | 'since';
export type PersonColumn =
  'arrival' | 'name' | 'path' | 'received' | 'sent' | 'lossUp' | 'lossDown' | 'roundTrip' | 'estimate';

/** Names are read from A; of numbers, the largest is looked for first. */
const ASCENDING_FIRST: ReadonlySet<string> = new Set(['name', 'path', 'arrival']);

/** What a press on a column's head leads to. */
export function nextOrder<Column extends string>(order: Order<Column>, column: Column): Order<Column> {
  if (order.column === column) return { column, descending: !order.descending };
  return { column, descending: !ASCENDING_FIRST.has(column) };
}

/** Whether a text has what is looked for, whatever its case and accents. */
export function matches(text: string, query: string): boolean {
  return plain(text).includes(plain(query.trim()));
}

function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

export function roomRows(
  rooms: readonly AdminRoomRow[],
  query: string,
  order: Order<RoomColumn>,
): AdminRoomRow[] {
  const value = ROOM_VALUES[order.column];
  return sorted(
    rooms.filter(({ name }) => matches(name, query)),
    value,
    ({ name }) => name,
    order.descending,
  );
}

const ROOM_VALUES: Record<RoomColumn, (row: AdminRoomRow) => Sortable> = {
  name: ({ name }) => name,
  people: ({ participants }) => participants,
  received: ({ received }) => received.rateBps,
  sent: ({ sent }) => sent.rateBps,
  loss: ({ sent }) => sent.lossPermille,
  since: ({ sinceMs }) => -sinceMs,
};

export function personRows(
  people: readonly AdminParticipant[],
  query: string,
  order: Order<PersonColumn>,
): AdminParticipant[] {
  const found = people.filter(({ name }) => matches(name, query));
  // They come in the order of arrival, those who left behind the others.
  if (order.column === 'arrival') return order.descending ? found.toReversed() : found;
  return sorted(found, PERSON_VALUES[order.column], ({ name }) => name, order.descending);
}

const PERSON_VALUES: Record<Exclude<PersonColumn, 'arrival'>, (person: AdminParticipant) => Sortable> = {
  name: ({ name }) => name,
  path: ({ leg }) => leg?.path ?? null,
  received: ({ leg }) => leg?.received.rateBps ?? null,
  sent: ({ leg }) => leg?.sent.rateBps ?? null,
  lossUp: (person) => lossUp(person),
  lossDown: (person) => lossDown(person),
  roundTrip: (person) => roundTripTenths(person),
  estimate: ({ leg }) => leg?.estimateBps ?? null,
};

/** Tenths of a percent; who is connected directly is known from what the page reports. */
export function lossUp({ leg, reported }: AdminParticipant): number | null {
  return leg?.received.lossPermille ?? reported?.lossUpPermille ?? null;
}

export function lossDown({ leg, reported }: AdminParticipant): number | null {
  return leg?.sent.lossPermille ?? reported?.lossDownPermille ?? null;
}

export function roundTripTenths({ leg, reported }: AdminParticipant): number | null {
  return leg?.roundTripTenths ?? (reported ? reported.roundTripMs * 10 : null);
}

type Sortable = string | number | null;

/** What is not known comes last, in either direction; equals stand by name. */
function sorted<Row>(
  rows: readonly Row[],
  value: (row: Row) => Sortable,
  name: (row: Row) => string,
  descending: boolean,
): Row[] {
  return rows.toSorted((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) {
      return Number(a === null) - Number(b === null) || compare(name(one), name(other));
    }
    const order = compare(a, b);
    return (descending ? -order : order) || compare(name(one), name(other));
  });
}

const COLLATOR = new Intl.Collator(undefined, { numeric: true });

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : COLLATOR.compare(String(a), String(b));
}
