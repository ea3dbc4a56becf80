/** The cache folder, and files of lines in it that remember facts about data sets, evaluations and this machine. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';
import { UserError } from './errors.ts';

/**
 * $XDG_CACHE_HOME/verydeep, otherwise %LOCALAPPDATA%\verydeep on Windows, ~/Library/Caches/verydeep on macOS and
 * ~/.cache/verydeep elsewhere. Undefined if the user has no home folder, as a user ID of a container that /etc/passwd does not list.
 */
export function defaultCacheFolder(): string | undefined {
  const xdg = process.env.XDG_CACHE_HOME;
  // The XDG specification requires that relative paths be ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'verydeep');
  const local = process.env.LOCALAPPDATA;
  if (process.platform === 'win32' && local) return join(local, 'verydeep');
  const caches = process.platform === 'darwin' ? ['Library', 'Caches'] : ['.cache'];
  try {
    return join(homedir(), ...caches, 'verydeep');
  } catch {
    return undefined;
  }
}

/** Creates a subfolder of the cache folder. @throws UserError when there is no cache folder */
export async function cacheSubfolder(kind: string, folder = defaultCacheFolder()): Promise<string> {
  if (folder === undefined) throw new UserError(NO_CACHE_FOLDER);
  const path = join(folder, kind);
  await mkdir(path, { recursive: true });
  return path;
}

export const NO_CACHE_FOLDER =
  'there is no cache folder, because this user has no home folder; set XDG_CACHE_HOME to a writable folder';

/** Enough for dense evaluation, which has hundreds of image sizes; the oldest lines are dropped first. */
const MAX_LINES = 4096;

interface LineFile {
  /** Subfolder of the cache folder. */
  readonly subfolder: string;
  /** The machine or device that the lines describe. Others with the same home folder, as on a cluster, use other files. */
  readonly about: string;
  /** The file's first line. */
  readonly format: string;
  /** The form of a valid line; others are ignored. */
  readonly line: RegExp;
  /** Default: the user's cache folder. */
  readonly folder?: string;
}

/**
 * Lines of text in a file of the cache folder, looked up by their first word. A file that is missing, damaged or of
 * another version counts as empty, and what it held is determined again. The same happens if two processes overwrite
 * each other's lines.
 */
export class RememberedLines {
  readonly #folder: string | undefined;
  readonly #subfolder: string;
  readonly #file: string;
  readonly #format: string;
  /** The lines by their first word. */
  readonly #lines: Map<string, string>;
  #writing: Promise<void> | undefined;

  constructor({ subfolder, about, format, line, folder = defaultCacheFolder() }: LineFile) {
    this.#folder = folder;
    this.#subfolder = subfolder;
    this.#file = `${createHash('sha256').update(about).digest('hex').slice(0, 16)}.txt`;
    this.#format = format;
    const found = folder === undefined ? [] : readLines(join(folder, subfolder, this.#file), format);
    const lines = found.filter((text) => line.test(text));
    this.#lines = new Map(lines.map((text) => [keyOf(text), text]));
  }

  get lines(): readonly string[] {
    return [...this.#lines.values()];
  }

  /** The rest of the line that starts with the key. */
  get(key: string): string | undefined {
    return this.#lines.get(key)?.slice(key.length + 1);
  }

  /** Adds lines and writes the file in the background. Failures to write are ignored. */
  add(lines: readonly string[]): void {
    for (const line of lines) {
      this.#lines.delete(keyOf(line));
      this.#lines.set(keyOf(line), line);
    }
    this.#writing = (this.#writing ?? Promise.resolve()).then(() => this.#write()).catch(() => {});
  }

  /** Settles when all added lines are written, or writing them has failed. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const folder = await cacheSubfolder(this.#subfolder, this.#folder);
    const text = [this.#format, ...this.lines.slice(-MAX_LINES), ''].join('\n');
    await writeFileAtomically(join(folder, this.#file), text);
  }
}

function keyOf(line: string): string {
  return line.split(' ', 1)[0]!;
}

function readLines(path: string, format: string): string[] {
  try {
    const [first, ...lines] = readFileSync(path, 'utf8').split('\n');
    return first === format ? lines : [];
  } catch {
    return [];
  }
}
