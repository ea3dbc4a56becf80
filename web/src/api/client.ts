/** Sends requests to `vgg serve`, and turns failures into sentences. */
import type { ErrorBody, ErrorCode } from '../../../src/serve/contract/common-schemas.ts';

/** A failure whose message the page shows unchanged. */
export class ApiError extends Error {
  readonly code: ErrorCode | 'unreachable';

  constructor(code: ApiError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The address of a resource, relative to the page's own address. */
export function addressOf(path: string, query: Query = {}): string {
  const address = new URL(path, document.baseURI);
  address.hash = '';
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) address.searchParams.set(name, String(value));
  }
  return address.href;
}

/** @throws ApiError */
export async function getJson<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return (await request(addressOf(path, query), { signal })).json() as Promise<T>;
}

/**
 * Requests a file. The body of the response has not been read.
 * @throws ApiError
 */
export function fetchFile(path: string, query: Query, signal: AbortSignal): Promise<Response> {
  return request(addressOf(path, query), { signal });
}

/**
 * Sends one image as the request's body.
 * @throws ApiError
 */
export async function postImage<T>(
  path: string,
  image: Blob,
  query: Query,
  signal?: AbortSignal,
): Promise<T> {
  const headers = { 'content-type': image.type || 'application/octet-stream' };
  const response = await request(addressOf(path, query), { method: 'POST', body: image, headers, signal });
  return response.json() as Promise<T>;
}

/**
 * Sends JSON.
 * @param body default: nothing
 * @throws ApiError
 */
export async function postJson<T>(path: string, body?: object): Promise<T> {
  const json = body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  return (await request(addressOf(path), { method: 'POST', ...json })).json() as Promise<T>;
}

/**
 * Exchanges the server's token for a cookie, which authorizes every later request.
 * @throws ApiError when the token is wrong
 */
export async function signIn(token: string): Promise<void> {
  await request(addressOf('v1/session'), { method: 'POST', headers: { authorization: `Bearer ${token}` } });
}

const unauthorized = new EventTarget();

/** Calls back whenever the server requires its token. */
export function onUnauthorized(callback: () => void): () => void {
  unauthorized.addEventListener('token', callback);
  return () => unauthorized.removeEventListener('token', callback);
}

async function request(address: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, { ...options, credentials: 'same-origin' });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError('unreachable', 'The server is not responding. Is vgg serve still running?');
  }
  if (response.ok) return response;
  const error = await errorOf(response);
  if (error.code === 'unauthorized') unauthorized.dispatchEvent(new Event('token'));
  throw error;
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as ErrorBody;
    return new ApiError(error.code, error.message);
  } catch {
    const code = response.status === 401 ? 'unauthorized' : 'internal';
    return new ApiError(code, `The server returned status ${response.status} without an explanation.`);
  }
}

/** Describes a failure in a sentence. */
export function sentenceOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

/** Decodes base64, in which the server sends megabytes: a callback per byte would be too slow. */
export function decodeBase64(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
