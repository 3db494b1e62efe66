import type { ErrorCode, ProtocolError } from './proto';

/** Why a request came to nothing, besides what the server can say. */
export type RequestFailure =
  /** No answer in time. */
  | 'timeout'
  /** The session could not be resumed, so what was asked in it is void. */
  | 'session-lost'
  /** The meeting is over for this page. */
  | 'ended';

/** A request that was refused or never answered. */
export class RequestError extends Error {
  readonly code: ErrorCode | RequestFailure;
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode | RequestFailure, message: string, retryAfterMs: number | null = null) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  static fromProtocol(error: ProtocolError): RequestError {
    return new RequestError(error.code, error.message, error.retryAfterMs ?? null);
  }
}
