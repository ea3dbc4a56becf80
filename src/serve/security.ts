/** Access control and security headers. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isLoopback } from '../core/http.ts';
import { RequestError } from './request-errors.ts';

/**
 * The page's content security policy: nothing from other origins, nothing inline, not in frames of others.
 * @param style text of a style element that is allowed nevertheless
 */
export function pagePolicy(style?: string): string {
  const hash = style === undefined ? '' : ` 'sha256-${createHash('sha256').update(style).digest('base64')}'`;
  return [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "img-src 'self' data: blob:",
    `style-src 'self'${hash}`,
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** For reports: inline images and styles only. */
export const REPORT_POLICY = [
  "default-src 'none'",
  'img-src data:',
  "style-src 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

/** For data, which is never shown as a page. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

export async function secureHeaders(_request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.headers({
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    // Pages may use several threads of WebAssembly only where no page of another site can reach into them.
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    'content-security-policy': DATA_POLICY,
  });
}

/** A hook for servers without a token, against DNS rebinding: other host names than this machine's are refused. */
export function checkHost(host: string) {
  return async (request: FastifyRequest): Promise<void> => {
    if (isLoopback(request.hostname) || request.hostname === host) return;
    throw new RequestError('forbidden', 'This server accepts requests to localhost only.');
  };
}

/**
 * A hook against cross-site requests: only the server's own page and `allowed` origins may POST, and pages of others may
 * only link to it. Browsers send Origin with every POST, and Sec-Fetch-Site also where a page embeds something, which
 * could make the server evaluate a model for a report.
 */
export function checkOrigin(allowed: readonly string[]) {
  return async ({ method, headers }: FastifyRequest): Promise<void> => {
    const { origin, host, 'sec-fetch-site': site = 'none', 'sec-fetch-dest': target } = headers;
    if (origin !== undefined) {
      const isOwn = URL.canParse(origin) && new URL(origin).host === host;
      if (method !== 'POST' || isOwn || allowed.includes(origin)) return;
    } else if (site === 'none' || site === 'same-origin' || (method !== 'POST' && target === 'document')) {
      return;
    }
    throw new RequestError(
      'forbidden',
      'Pages of other sites may not use this server; --cors ORIGIN allows one.',
    );
  };
}

const COOKIE = 'verydeep_session';

/** Authentication by a token, or by the cookie that the page gets for it. */
export class TokenAuth {
  readonly #token: string;
  /** Value of the cookie; the token cannot be derived from it. */
  readonly #session: string;

  constructor(token: string) {
    this.#token = token;
    this.#session = createHmac('sha256', token).update('verydeep session').digest('hex');
  }

  /** A hook. @throws RequestError unless the request has the token or the cookie. */
  readonly check = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (this.#hasToken(request) || isEqual(cookieOf(request) ?? '', this.#session)) return;
    reply.header('www-authenticate', 'Bearer');
    throw new RequestError(
      'unauthorized',
      'This server requires a token; send the header "Authorization: Bearer TOKEN".',
    );
  };

  /** Sets the cookie. @throws RequestError unless the request has the token. */
  readonly setCookie = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (!this.#hasToken(request)) throw new RequestError('unauthorized', 'Wrong token.');
    reply.header('set-cookie', `${COOKIE}=${this.#session}; Path=/; HttpOnly; SameSite=Strict`);
  };

  #hasToken(request: FastifyRequest): boolean {
    const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    return isEqual(token, this.#token);
  }
}

function cookieOf(request: FastifyRequest): string | undefined {
  const cookies = (request.headers.cookie ?? '').split(';').map((one) => one.trim());
  return cookies.find((one) => one.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
}

/** Compares in constant time; digests have the same length. */
function isEqual(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
