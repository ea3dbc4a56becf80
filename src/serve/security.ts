/** Who may ask, and what browsers are told. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RequestError } from './errors.ts';

/**
 * For the page: nothing from elsewhere, nothing inline, and in nobody else's frame.
 * @param style text of a style element that is allowed all the same
 */
export function pagePolicy(style?: string): string {
  const hash = style === undefined ? '' : ` 'sha256-${createHash('sha256').update(style).digest('base64')}'`;
  return [
    "default-src 'self'",
    "img-src 'self' data: blob:",
    `style-src 'self'${hash}`,
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** For reports: pictures and styles within the page, and nothing else. */
export const REPORT_POLICY = [
  "default-src 'none'",
  'img-src data:',
  "style-src 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

/** For everything else, which is not to be looked at as a page. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

export async function secureHeaders(_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.headers({
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy': DATA_POLICY,
  });
}

/** A hook for servers without a token: a name that is not this machine's own is another site's trick. */
export function checkHost(host: string) {
  return async (request: FastifyRequest): Promise<void> => {
    if (isLoopback(request.hostname) || request.hostname === host) return;
    throw new RequestError('forbidden', 'This server answers to localhost and to no other name.');
  };
}

/** Whether an address or a name is this machine's alone. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

/** A hook: what changes or costs something is for this server's own page, and for `allowed` origins. */
export function checkOrigin(allowed: readonly string[]) {
  return async (request: FastifyRequest): Promise<void> => {
    const { origin } = request.headers;
    if (request.method !== 'POST' || origin === undefined || allowed.includes(origin)) return;
    if (URL.canParse(origin) && new URL(origin).host === request.headers.host) return;
    throw new RequestError(
      'forbidden',
      'Pages of other sites may not use this server; --cors ORIGIN lets one in.',
    );
  };
}

const COOKIE = 'verydeep_session';

/** What a client knows who knows the token. */
export class TokenAuth {
  readonly #token: string;
  /** Of a page that has shown the token. It tells nothing about it. */
  readonly #session: string;

  constructor(token: string) {
    this.#token = token;
    this.#session = createHmac('sha256', token).update('verydeep session').digest('hex');
  }

  /** A hook. @throws RequestError unless the request has the token or its cookie. */
  readonly check = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (this.#hasToken(request) || isSame(cookieOf(request) ?? '', this.#session)) return;
    reply.header('www-authenticate', 'Bearer');
    throw new RequestError(
      'unauthorized',
      'This server has a token: send it as "Authorization: Bearer TOKEN".',
    );
  };

  /** Gives a page its cookie. @throws RequestError unless the request has the token. */
  readonly open = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (!this.#hasToken(request)) throw new RequestError('unauthorized', 'That is not the token.');
    reply.header('set-cookie', `${COOKIE}=${this.#session}; Path=/; HttpOnly; SameSite=Strict`);
  };

  #hasToken(request: FastifyRequest): boolean {
    const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    return isSame(token, this.#token);
  }
}

function cookieOf(request: FastifyRequest): string | undefined {
  const cookies = (request.headers.cookie ?? '').split(';').map((one) => one.trim());
  return cookies.find((one) => one.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
}

/** Compares in a time that tells nothing: digests have one length. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
