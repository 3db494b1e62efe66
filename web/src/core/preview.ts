/** Who is inside, as the green room shows it before joining. The server answers alike for a room that does not exist. */
export interface RoomPreview {
  /** The first of them. */
  names: string[];
  /** How many there are. */
  count: number;
  locked: boolean;
  full: boolean;
}

/** More would not be read. */
const MOST_NAMES = 8;
/** How long an answer is waited for, in milliseconds. */
const TIMEOUT_MS = 5_000;

/** Asks the server; null when it cannot be reached or answers with something else. */
export async function fetchPreview(room: string, ended: AbortSignal): Promise<RoomPreview | null> {
  try {
    const response = await fetch(`/api/v1/rooms/${encodeURIComponent(room)}/preview`, {
      signal: AbortSignal.any([ended, AbortSignal.timeout(TIMEOUT_MS)]),
      headers: { accept: 'application/json' },
    });
    return response.ok ? parsePreview(await response.json()) : null;
  } catch {
    return null;
  }
}

/** Takes what is of the expected form and leaves the rest. */
export function parsePreview(value: unknown): RoomPreview | null {
  if (typeof value !== 'object' || value === null) return null;
  const { participants, count, locked, full } = value as Record<string, unknown>;
  if (!Array.isArray(participants)) return null;
  const names = participants
    .slice(0, MOST_NAMES)
    .map((participant: unknown) => (participant as { name?: unknown } | null)?.name)
    .filter((name): name is string => typeof name === 'string');
  const told = typeof count === 'number' && Number.isSafeInteger(count) ? count : 0;
  return { names, count: Math.max(names.length, told), locked: locked === true, full: full === true };
}
