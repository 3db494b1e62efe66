/** What the administrator's page asks of the server. The token goes into a header, never into an address. */
import type { AdminFeedMessage, AdminOverview, AdminParticipantDetail, AdminRoom } from '../proto';
import { EventReader } from './events';

/** Why a request came to nothing. */
export type AdminFailure =
  /** The token is not the administrator's (any more). */
  | { kind: 'unauthorized' }
  /** Too many wrong tokens came from here; `retryMs` until the next is looked at. */
  | { kind: 'limited'; retryMs: number }
  /** Nothing is known of it. */
  | { kind: 'missing' }
  /** No answer, or one that says that the server has a fault. */
  | { kind: 'unreachable' };

export class AdminError extends Error {
  constructor(readonly failure: AdminFailure) {
    super(failure.kind);
  }
}

export interface FeedTopic {
  room?: string;
  participant?: string;
}

/** A running feed: `ended` settles when it has ended, with a failure unless it was closed. */
export interface FeedConnection {
  readonly ended: Promise<AdminFailure | null>;
  close(): void;
}

export interface AdminApi {
  overview(token: string): Promise<AdminOverview>;
  room(token: string, room: string): Promise<AdminRoom>;
  participant(token: string, room: string, participant: string): Promise<AdminParticipantDetail>;
  feed(token: string, topic: FeedTopic, onMessage: (message: AdminFeedMessage) => void): FeedConnection;
}

const BASE = '/api/v1/admin';

export const httpAdminApi: AdminApi = {
  overview: (token) => get<AdminOverview>(token, '/overview'),
  room: (token, room) => get<AdminRoom>(token, `/rooms/${encodeURIComponent(room)}`),
  participant: (token, room, participant) =>
    get<AdminParticipantDetail>(
      token,
      `/rooms/${encodeURIComponent(room)}/participants/${encodeURIComponent(participant)}`,
    ),
  feed(token, { room, participant }, onMessage) {
    const query = new URLSearchParams({ ...(room && { room }), ...(participant && { participant }) });
    const abort = new AbortController();
    const ended = follow(token, `/feed?${query.toString()}`, abort.signal, onMessage);
    return { ended, close: () => abort.abort() };
  },
};

async function request(token: string, path: string, signal?: AbortSignal): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(BASE + path, {
      headers: { authorization: `Bearer ${token}` },
      cache: 'no-store',
      credentials: 'omit',
      ...(signal && { signal }),
    });
  } catch {
    // Also a token of characters that no header can have.
    throw new AdminError({ kind: 'unreachable' });
  }
  if (response.ok) return response;
  throw new AdminError(failureOf(response));
}

function failureOf({ status, headers }: Response): AdminFailure {
  if (status === 401 || status === 403) return { kind: 'unauthorized' };
  if (status === 404 || status === 422) return { kind: 'missing' };
  if (status !== 429) return { kind: 'unreachable' };
  const seconds = Number(headers.get('retry-after'));
  return { kind: 'limited', retryMs: Number.isFinite(seconds) ? Math.max(1, seconds) * 1_000 : 5_000 };
}

async function get<T>(token: string, path: string): Promise<T> {
  const response = await request(token, path);
  try {
    return (await response.json()) as T;
  } catch {
    throw new AdminError({ kind: 'unreachable' });
  }
}

async function follow(
  token: string,
  path: string,
  signal: AbortSignal,
  onMessage: (message: AdminFeedMessage) => void,
): Promise<AdminFailure | null> {
  try {
    const response = await request(token, path, signal);
    const reader = new EventReader((data) => onMessage(JSON.parse(data) as AdminFeedMessage));
    const body = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const part = await body?.read();
      if (!part || part.done) break;
      reader.take(part.value);
    }
  } catch (error) {
    if (signal.aborted) return null;
    return error instanceof AdminError ? error.failure : { kind: 'unreachable' };
  }
  return signal.aborted ? null : { kind: 'unreachable' };
}
