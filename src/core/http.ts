/**
 * Requests over HTTP: proxies of the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), redirects that keep credentials
 * to their origin, timeouts, and errors for people.
 */
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { messageOf, systemErrorCode, UserError } from './errors.ts';
import { version } from './project.ts';

const MAX_REDIRECTS = 8;
/** Longest time without a byte from the server. */
const IDLE_MS = 60_000;
const CONNECT_MS = 20_000;

interface ErrorFacts {
  readonly cause?: unknown;
  readonly unreachable?: boolean;
}

/** A request that failed. */
export class HttpError extends UserError {
  override name = 'HttpError';
  /** Whether the same request may succeed later. */
  readonly temporary: boolean;
  /** Whether there was no connection at all: the name is unknown or the connection refused. */
  readonly unreachable: boolean;
  constructor(message: string, temporary: boolean, { cause, unreachable = false }: ErrorFacts = {}) {
    super(message, { cause });
    this.temporary = temporary;
    this.unreachable = unreachable;
  }
}

export interface HttpOptions {
  /** Default GET. */
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the address's own origin only (default: none). */
  readonly token?: string;
  /** Allows http:// for hosts other than this machine, because the user's settings name one (default false). */
  readonly allowUnencrypted?: boolean;
  /** Returns the response that redirects to another origin instead of following it (default false). */
  readonly stayAtOrigin?: boolean;
  /** Longest time without a byte from the server (default a minute). */
  readonly idleMs?: number;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  /** The last address, after redirects. */
  readonly url: URL;
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Read it to its end or destroy it. */
  readonly body: Readable;
}

/**
 * Sends a request and follows its redirects. The status may be that of a failure.
 * @throws HttpError when the server cannot be reached, redirects in a circle or to an address that is not allowed.
 */
export async function openUrl(address: string | URL, options: HttpOptions = {}): Promise<HttpResponse> {
  const start = checkedUrl(String(address), options);
  let url = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const response = await send(
      url,
      url.origin === start.origin ? options : { ...options, token: undefined },
    );
    const target = redirectOf(response);
    if (!target) return response;
    if (options.stayAtOrigin && target.origin !== start.origin) return response;
    await discard(response);
    if (target.protocol === 'http:' && url.protocol === 'https:') {
      throw new HttpError(`${url.host} redirects to ${target.origin}, which is not encrypted`, false);
    }
    url = checkedUrl(target.href, options);
  }
  throw new HttpError(`${start.host} redirects more than ${MAX_REDIRECTS} times; check the address`, false);
}

/** Ends a response whose body is not needed. */
export async function discard({ body }: HttpResponse): Promise<void> {
  body.on('error', () => {});
  body.destroy();
}

/**
 * Reads a small body.
 * @throws HttpError when it has more than `limit` bytes or the connection breaks.
 */
export async function readBody(response: HttpResponse, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      size += (chunk as Buffer).length;
      if (size > limit) break;
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    throw connectionError(response.url, error);
  }
  if (size > limit) {
    throw new HttpError(`${response.url.host} sent more than ${limit} bytes; check the address`, false);
  }
  return Buffer.concat(chunks);
}

/** Whether an address or a name can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

/** @throws HttpError unless the address is encrypted or this machine's, and has no password. */
function checkedUrl(text: string, { allowUnencrypted = false }: HttpOptions): URL {
  if (!URL.canParse(text)) throw new HttpError(`${text} is not an address`, false);
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') {
    throw new HttpError(`the address of ${url.host} holds a user name or password; leave them out`, false);
  }
  if (
    url.protocol === 'https:' ||
    (url.protocol === 'http:' && (allowUnencrypted || isLoopback(url.hostname)))
  )
    return url;
  throw new HttpError(
    `${url.host === '' ? url.protocol : url.origin} is not encrypted; use an address that starts with https://`,
    false,
  );
}

/** Through the proxy of the environment, and straight to this machine, which no proxy can reach. */
let agents: { readonly proxied: Dispatcher; readonly direct: Dispatcher } | undefined;

async function send(url: URL, options: HttpOptions): Promise<HttpResponse> {
  const { method = 'GET', headers, token, idleMs = IDLE_MS, signal } = options;
  const { Agent, EnvHttpProxyAgent, request } = await import('undici');
  const settings = { connect: { timeout: CONNECT_MS } };
  agents ??= { proxied: new EnvHttpProxyAgent(settings), direct: new Agent(settings) };
  try {
    const {
      statusCode,
      headers: found,
      body,
    } = await request(url.href, {
      method,
      dispatcher: isLoopback(url.hostname) ? agents.direct : agents.proxied,
      headersTimeout: idleMs,
      bodyTimeout: idleMs,
      signal,
      headers: {
        'user-agent': `verydeep/${version}`,
        // Ranges and hashes are those of the file itself.
        'accept-encoding': 'identity',
        ...headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
    });
    const flat = Object.entries(found).map(([name, value]) => [name.toLowerCase(), String(value)]);
    return { url, status: statusCode, headers: Object.fromEntries(flat), body };
  } catch (error) {
    signal?.throwIfAborted();
    throw connectionError(url, error);
  }
}

function redirectOf({ url, status, headers }: HttpResponse): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(status)) return undefined;
  const { location } = headers;
  if (location !== undefined && URL.canParse(location, url.href)) return new URL(location, url.href);
  throw new HttpError(`${url.host} redirects to no address; check the address`, false);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is unknown',
  EAI_AGAIN: 'its name could not be looked up',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ETIMEDOUT: 'it does not respond',
  UND_ERR_SOCKET: 'the connection broke',
  UND_ERR_CONNECT_TIMEOUT: 'it does not respond',
  UND_ERR_HEADERS_TIMEOUT: 'it does not respond',
  UND_ERR_BODY_TIMEOUT: 'it stopped sending',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the connection broke',
};

/** The error for a connection that failed or broke. */
export function connectionError(url: URL, error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  const cause = (error as { readonly cause?: unknown } | undefined)?.cause;
  const codes = [systemErrorCode(error), systemErrorCode(cause)];
  const code = codes.find((each) => each !== undefined && Object.hasOwn(REASONS, each));
  const reason = code === undefined ? messageOf(error) : REASONS[code];
  return new HttpError(
    `${url.host} could not be reached (${reason}); check the connection, and set HTTPS_PROXY if you need a proxy`,
    true,
    { cause: error, unreachable: ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED'].includes(code ?? '') },
  );
}
