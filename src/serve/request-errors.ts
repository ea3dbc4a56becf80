/** The errors that requests are answered with. */
import { type ErrorBody, type ErrorCode, errorStatuses } from './contract/common-schemas.ts';

export class RequestError extends Error {
  override name = 'RequestError';
  readonly code: ErrorCode;
  /** Seconds after which the client may try again. */
  readonly retryAfter: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    { retryAfter, cause }: { retryAfter?: number; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.retryAfter = retryAfter;
  }

  get status(): number {
    return errorStatuses[this.code];
  }

  get body(): ErrorBody {
    return { error: { code: this.code, message: this.message } };
  }
}

/** The error for everything that comes while the server shuts down. */
export function shuttingDown(): RequestError {
  return new RequestError('busy', 'The server is shutting down.', { retryAfter: 5 });
}

/** Ends the work of a client that has disconnected; nobody receives it. */
export class ClientDisconnected extends Error {
  override name = 'ClientDisconnected';
}
