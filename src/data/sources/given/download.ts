/** Downloads an image, with limits, also through a proxy. What it is, its bytes decide, not the server's content type. */
import type { Dispatcher } from 'undici';
import { messageOf, printable, systemErrorCode, UserError } from '../../../core/errors.ts';
import { isLoopback } from '../../../core/http.ts';
import { version } from '../../../core/project.ts';

export interface DownloadLimits {
  /** Maximum size. */
  readonly bytes: number;
  /** Maximum duration of all requests together. */
  readonly seconds: number;
  readonly redirects: number;
}

const defaultLimits: DownloadLimits = { bytes: 100 * 2 ** 20, seconds: 30, redirects: 5 };

/** @throws UserError naming the address and the remedy. */
export async function downloadImage(url: URL, limits: DownloadLimits = defaultLimits): Promise<Uint8Array> {
  const name = printable(url.href);
  if (url.username !== '' || url.password !== '') {
    throw new UserError('an address with a user name or password is not supported; download the image first');
  }
  try {
    const response = await request(url, limits, AbortSignal.timeout(limits.seconds * 1000));
    const bytes = await read(response, limits.bytes);
    if (bytes.length === 0) throw new UserError('the server sent nothing; check the address');
    if (isWebPage(bytes)) {
      throw new UserError('it is a web page, not an image; give the address of the image file itself');
    }
    return bytes;
  } catch (error) {
    throw new UserError(`${name}: ${reasonOf(error, limits)}`, { cause: error });
  }
}

/** Follows redirects, to http and https only. */
async function request(url: URL, { redirects }: DownloadLimits, signal: AbortSignal): Promise<Response> {
  const headers = {
    accept: 'image/jpeg, image/png, image/webp, image/avif',
    'user-agent': `verydeep/${version}`,
  };
  let next = url;
  for (let left = redirects; ; left--) {
    const response = await send(next, { redirect: 'manual', signal, headers });
    const target = response.headers.get('location');
    if (response.ok) return response;
    await response.body?.cancel();
    if (response.status < 300 || response.status >= 400 || target === null) {
      throw new UserError(refusal(response));
    }
    if (left === 0) throw new UserError(`it redirects more than ${redirects} times; check the address`);
    next = URL.canParse(target, next.href) ? new URL(target, next) : next;
    if (!/^https?:$/.test(next.protocol)) {
      throw new UserError(`it redirects to an address of another kind (${next.protocol}); check the address`);
    }
  }
}

/** Node's own fetch takes no notice of HTTPS_PROXY. */
async function send(url: URL, options: RequestInit): Promise<Response> {
  if (isLoopback(url.hostname)) return fetch(url, options);
  const { EnvHttpProxyAgent, fetch: fetchThrough } = await import('undici');
  proxies ??= new EnvHttpProxyAgent();
  return fetchThrough(url, {
    ...(options as object),
    dispatcher: proxies,
  }) as Promise<unknown> as Promise<Response>;
}

let proxies: Dispatcher | undefined;

function refusal({ status, statusText }: Response): string {
  const answer = `the server answered ${status}${statusText === '' ? '' : ` (${statusText})`}`;
  if (status === 404 || status === 410) return `${answer}, so there is no such image; check the address`;
  if (status === 401 || status === 403) {
    return `${answer}, so it does not give this image to programs; download it in a browser and give the file`;
  }
  return `${answer}; ${status === 429 || status >= 500 ? 'try again later' : 'check the address'}`;
}

async function read(response: Response, maximum: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = Number(response.headers.get('content-length') ?? 0);
  const check = () => {
    if (length > maximum) {
      const mebibytes = Math.floor(maximum / 2 ** 20);
      throw new UserError(`it has more than ${mebibytes} MiB, the limit; download it and give the file`);
    }
  };
  check();
  length = 0;
  // Leaving the loop cancels the download.
  for await (const piece of response.body ?? []) {
    length += piece.length;
    check();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function isWebPage(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 1024)).toString();
  return /^\uFEFF?\s*(?:<!--[\s\S]*?-->\s*|<\?xml[^>]*>\s*)*<(?:!doctype\s+html|html|head|body)\b/i.test(
    start,
  );
}

function reasonOf(error: unknown, { seconds }: DownloadLimits): string {
  if (error instanceof UserError) return error.message;
  if ((error as Error).name === 'TimeoutError') {
    return `the image did not arrive within ${seconds} seconds; try again, or download it and give the file`;
  }
  const { cause = error } = error as { readonly cause?: unknown };
  const code = systemErrorCode(cause) ?? '';
  const known = Object.entries(NETWORK).find(([pattern]) => new RegExp(pattern).test(code));
  return known?.[1] ?? `the download failed (${messageOf(cause)}); check the address and the network`;
}

/** Sentences by the codes of network errors. */
const NETWORK: Readonly<Record<string, string>> = {
  '^(?:ENOTFOUND|EAI_)': 'no server of this name was found; check the address and the network',
  '^ECONNREFUSED': 'the server refuses connections; check the address and its port',
  '^(?:EHOSTUNREACH|ENETUNREACH)': 'the server cannot be reached; check the network',
  '^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET)': 'the connection broke; try again',
  'TIMEOUT|ETIMEDOUT': 'the server does not answer; check the network, or try again later',
  'CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_SSL':
    "the server's certificate is not valid, so it may not be the right server; download the image and give the file",
};
