/** Downloads an image, with limits. What it is, its bytes decide, not the server's content type. */
import { printable, UserError } from '../../../core/errors.ts';
import { discard, openUrl, readBody } from '../../../core/http.ts';

export interface DownloadLimits {
  /** Maximum size. */
  readonly bytes: number;
  /** Maximum duration of all requests together. */
  readonly seconds: number;
}

const defaultLimits: DownloadLimits = { bytes: 100 * 2 ** 20, seconds: 30 };

/** @throws UserError naming the address and the remedy. */
export async function downloadImage(url: URL, limits: DownloadLimits = defaultLimits): Promise<Uint8Array> {
  if (url.username !== '' || url.password !== '') {
    throw new UserError('an address with a user name or password is not supported; download the image first');
  }
  const signal = AbortSignal.timeout(limits.seconds * 1000);
  try {
    const bytes = await download(url, limits.bytes, signal);
    if (bytes.length === 0) throw new UserError('the server sent nothing; check the address');
    if (isWebPage(bytes)) {
      throw new UserError('it is a web page, not an image; give the address of the image file itself');
    }
    return bytes;
  } catch (error) {
    const late = `the image did not arrive within ${limits.seconds} seconds; try again, or download it and give the file`;
    const message = signal.aborted ? late : (error as Error).message;
    throw new UserError(`${printable(url.href)}: ${message}`, { cause: error });
  }
}

async function download(url: URL, limit: number, signal: AbortSignal): Promise<Uint8Array> {
  const headers = { accept: 'image/jpeg, image/png, image/webp, image/avif' };
  const response = await openUrl(url, { headers, signal, allowUnencrypted: true });
  const size = Number(response.headers['content-length'] ?? 0);
  const isGood = response.status >= 200 && response.status < 300;
  if (isGood && size <= limit) return readBody(response, limit);
  await discard(response);
  throw new UserError(
    isGood
      ? `it has more than ${Math.floor(limit / 2 ** 20)} MiB, the limit; download it and give the file`
      : refusal(response.status),
  );
}

function refusal(status: number): string {
  const answer = `the server answered with status ${status}`;
  if (status === 404 || status === 410) return `${answer}, so there is no such image; check the address`;
  if (status === 401 || status === 403) {
    return `${answer}, so it does not give this image to programs; download it in a browser and give the file`;
  }
  return `${answer}; ${status === 429 || status >= 500 ? 'try again later' : 'check the address'}`;
}

function isWebPage(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 1024)).toString();
  return /^\uFEFF?\s*(?:<!--[\s\S]*?-->\s*|<\?xml[^>]*>\s*)*<(?:!doctype\s+html|html|head|body)\b/i.test(
    start,
  );
}
