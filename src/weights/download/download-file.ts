/** Downloads a file: resumed after an interruption, bounded, verified, and at its place whole or not at all. */
import { type FileHandle, mkdir, open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../core/errors.ts';
import { writingError } from '../../core/files.ts';
import { connectionError, discard, HttpError, type HttpResponse, openUrl } from '../../core/http.ts';
import { PartialFile } from './partial-file.ts';
import { type ExpectedFile, verify } from './verify-download.ts';

/** Receives how a download proceeds. */
export interface DownloadListener {
  /** Called while a file arrives: its name, and bytes. */
  readonly onDownload?: (file: string, done: number, total: number) => void;
  /** Receives a sentence for the user: another process downloads, or the hub could not be reached. */
  readonly onNote?: (note: string) => void;
}

/** Largest model file to accept: a float64 checkpoint of E with an optimizer's two moments has 3.5 GB. */
export const LARGEST_MODEL = 8 * 2 ** 30;

export interface FileDownload {
  readonly url: string;
  /** Where the file is to be. */
  readonly path: string;
  readonly expected?: ExpectedFile;
  /** Sent to the address's own origin only. */
  readonly token?: string;
  /** Allows http:// for hosts other than this machine (default false). */
  readonly allowUnencrypted?: boolean;
  /** Largest size to accept, in bytes. */
  readonly limit: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Turns a response with a status of 400 or more into an error for people. */
  readonly refusal?: (response: HttpResponse) => UserError;
  /** Pause before the first retry, doubled each time (default a second). */
  readonly retryMs?: number;
  /** Longest time without a byte from the server (default a minute). */
  readonly idleMs?: number;
}

/** Retries without progress. */
const MAX_RETRIES = 4;
const MAX_TRIES = 50;
/** Longest pause that a server may ask for. */
const LONGEST_PAUSE_MS = 60_000;

/**
 * Downloads a file. What has arrived stays in `path.partial`, from which a later call continues.
 * @throws UserError naming the address and the remedy.
 */
export async function downloadFile(download: FileDownload): Promise<void> {
  const { path, retryMs = 1000 } = download;
  const partial = new PartialFile(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    const first = await partial.size();
    for (let failures = 0, tries = 1; ; tries++) {
      const before = await partial.size();
      try {
        await transfer(download, partial);
        break;
      } catch (error) {
        if (!(error instanceof HttpError) || !error.temporary) throw error;
        // Without a network, nobody wants to wait.
        if (error.unreachable && before === first) throw error;
        if ((await partial.size()) > before) failures = 0;
        if (++failures > MAX_RETRIES || tries > MAX_TRIES) throw error;
        const asked = error instanceof BusyError ? error.seconds * 1000 : 0;
        await sleep(Math.min(LONGEST_PAUSE_MS, Math.max(asked, retryMs * 2 ** (failures - 1))));
      }
    }
    await verify(download.url, download.expected ?? {}, partial);
    await partial.finish();
  } catch (error) {
    throw error instanceof UserError ? error : writingError(path, error);
  }
}

/** A server asks to come back later. */
class BusyError extends HttpError {
  readonly seconds: number;
  constructor(message: string, seconds: number) {
    super(message, true);
    this.seconds = seconds;
  }
}

/** Requests what is missing and appends it. @throws HttpError, temporary when the connection breaks */
async function transfer(download: FileDownload, partial: PartialFile): Promise<void> {
  const { url, expected = {}, token, idleMs, allowUnencrypted } = download;
  let have = await partial.size();
  const version = await partial.version();
  const isKnown = version !== undefined && (version.startsWith('"') || version === identityOf(expected));
  if (have > 0 && !isKnown) {
    await partial.discard();
    have = 0;
  }
  if (have > 0 && have === expected.bytes) return;
  const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
  // Of a file without a known hash, only the same version may be continued.
  if (have > 0 && version?.startsWith('"')) headers['if-range'] = version;
  const response = await openUrl(url, { headers, token, idleMs, allowUnencrypted });
  try {
    if (response.status === 416) {
      await partial.discard();
      throw new HttpError(`${response.url.host} does not have the rest of the file; try again`, true);
    }
    checkStatus(download, response);
    const start = response.status === 206 ? rangeOf(response).start : 0;
    const tag = strongTag(response);
    const isOther = start > 0 && version?.startsWith('"') && tag !== undefined && tag !== version;
    if ((start !== 0 && start !== have) || isOther) {
      await partial.discard();
      throw new HttpError(`${response.url.host} sent another part of the file than requested`, true);
    }
    const total = totalOf(download, response, start);
    if (start === 0) await partial.start(identityOf(expected) ?? strongTag(response));
    await append(download, response, partial, start, total);
  } finally {
    await discard(response);
  }
}

/** A hash of the whole file, which identifies its version and is checked at the end. */
function identityOf({ sha256, gitSha1 }: ExpectedFile): string | undefined {
  return sha256 ?? gitSha1;
}

function strongTag({ headers: { etag } }: HttpResponse): string | undefined {
  return etag?.startsWith('"') ? etag : undefined;
}

function checkStatus({ refusal }: FileDownload, response: HttpResponse): void {
  const { url, status, headers } = response;
  if (status === 200 || status === 206) {
    const { 'content-encoding': encoding = 'identity' } = headers;
    if (encoding !== 'identity') {
      throw new HttpError(
        `${url.host} sends the file compressed (${encoding}), although that was not requested; download it with another program and give its path`,
        false,
      );
    }
    if (!/^text\/html\b/i.test(headers['content-type'] ?? '')) return;
    throw new HttpError(
      `${url.href} is a web page instead of a model file; give the address of the file itself`,
      false,
    );
  }
  if (status === 429 || status >= 500) {
    const seconds = Number(headers['retry-after'] ?? 0);
    throw new BusyError(`${url.host} is busy (status ${status}); try again later`, seconds || 0);
  }
  throw refusal?.(response) ?? statusError(response);
}

/** The error for a response with a status that a file does not have. */
export function statusError({ url, status }: HttpResponse): UserError {
  const reason =
    status === 404 || status === 410
      ? 'there is no such file'
      : status === 401 || status === 403
        ? 'it is not public'
        : `status ${status}`;
  return new HttpError(
    `${url.origin}${url.pathname} could not be downloaded: ${reason}; check the address`,
    false,
  );
}

/** The first byte of a partial response, NaN if it is not stated, and the size of the whole file if it is. */
function rangeOf({ headers }: HttpResponse): { start: number; whole: number | undefined } {
  const [, start, whole] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
  return { start: Number(start), whole: whole === undefined || whole === '*' ? undefined : Number(whole) };
}

/** The size of the whole file, if it is announced. @throws HttpError when it cannot be right */
function totalOf(
  { expected, limit }: FileDownload,
  response: HttpResponse,
  start: number,
): number | undefined {
  const { url, status, headers } = response;
  const length = headers['content-length'];
  // A server may send less than the rest of the file; what is still missing is requested again.
  const announced =
    (status === 206 ? rangeOf(response).whole : undefined) ??
    (length === undefined ? undefined : start + Number(length));
  const total = announced ?? expected?.bytes;
  if (total !== undefined && !(total <= limit)) {
    throw new HttpError(
      `${url.host} announces a file of ${total} bytes, more than the limit of ${limit}; check the address`,
      false,
    );
  }
  if (expected?.bytes !== undefined && total !== expected.bytes) {
    throw new HttpError(
      `${url.host} announces ${total} bytes instead of ${expected.bytes}; try again later`,
      false,
    );
  }
  return total;
}

async function append(
  { url, path, limit, onProgress }: FileDownload,
  { body, url: source }: HttpResponse,
  partial: PartialFile,
  start: number,
  total: number | undefined,
): Promise<void> {
  if (total !== undefined) await checkSpace(path, total - start);
  const file = await open(partial.path, start === 0 ? 'w' : 'r+');
  let done = start;
  try {
    for await (const chunk of chunksOf(body, source)) {
      if (done + chunk.length > (total ?? limit)) {
        await partial.discard();
        throw new HttpError(`${source.host} sends more than a model file can have; check ${url}`, false);
      }
      await writeAll(file, chunk, done);
      done += chunk.length;
      onProgress?.(done, total ?? done);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (total === undefined || done === total) return;
  throw new HttpError(
    `${source.host} sent ${done} of ${total} bytes; run the command again to continue`,
    true,
  );
}

/** Distinguishes errors of the connection from those of the disk. */
async function* chunksOf(body: AsyncIterable<unknown>, url: URL): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) yield chunk as Buffer;
  } catch (error) {
    throw connectionError(url, error);
  }
}

async function writeAll(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    offset += (await file.write(chunk, offset, chunk.length - offset, position + offset)).bytesWritten;
  }
}

/** Refuses what the disk has no room for before anything is sent. */
async function checkSpace(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  if (bytes <= bavail * bsize) return;
  throw new UserError(
    `${path} needs ${bytes} bytes, but its disk has only ${bavail * bsize} left; free some space, or set XDG_CACHE_HOME to a folder on another disk`,
  );
}
