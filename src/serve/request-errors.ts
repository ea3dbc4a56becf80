/** The errors that requests are answered with. */
import { UserError } from '../core/errors.ts';
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

export function noSuchAddress(): RequestError {
  return new RequestError('not_found', 'No such address; /openapi.json lists all addresses.');
}

/** The error for everything that comes while the server shuts down. */
export function shuttingDown(): RequestError {
  return new RequestError('busy', 'The server is shutting down.', { retryAfter: 5 });
}

/**
 * The result of work on files of the server. Why it failed is for whoever runs the server, since clients must not learn
 * its folders: the log has the reason.
 * @param problem what clients learn, without the full stop
 * @throws RequestError `not_available` for each UserError
 */
export async function available<T>(problem: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const message = `${problem}; the server's log has the reason.`;
    throw new RequestError('not_available', message, { cause: error });
  }
}

/** Ends the work of a client that has disconnected; nobody receives it. */
export class ClientDisconnected extends Error {
  override name = 'ClientDisconnected';
}
