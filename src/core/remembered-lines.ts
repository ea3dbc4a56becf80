/**
 * Lines of text that are remembered between runs in a file of the cache folder, each under its first word. A file that
 * is missing, damaged or of another version is none: what it held is found out again. Two processes may overwrite each
 * other's news, which costs no more than that.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.ts';
import { cacheSubfolder, defaultCacheFolder } from './cache-folder.ts';

/** As dense evaluation has hundreds of sizes; the oldest go first. */
const MOST_LINES = 4096;

export interface LineFile {
  /** Of the cache folder. */
  readonly subfolder: string;
  /** Whom the lines are about: another in the same home, as on a cluster, has a file of its own. */
  readonly about: string;
  /** The file's first line. */
  readonly format: string;
  /** What a line looks like; others are left out. */
  readonly line: RegExp;
  /** Default: the user's cache folder. */
  readonly folder?: string;
}

export class RememberedLines {
  readonly #folder: string;
  readonly #subfolder: string;
  readonly #file: string;
  readonly #format: string;
  /** By what they are for. */
  readonly #lines: Map<string, string>;
  #writing: Promise<void> | undefined;

  constructor({ subfolder, about, format, line, folder = defaultCacheFolder() }: LineFile) {
    this.#folder = folder;
    this.#subfolder = subfolder;
    this.#file = `${createHash('sha256').update(about).digest('hex').slice(0, 16)}.txt`;
    this.#format = format;
    const lines = readLines(join(folder, subfolder, this.#file), format).filter((text) => line.test(text));
    this.#lines = new Map(lines.map((text) => [keyOf(text), text]));
  }

  get lines(): readonly string[] {
    return [...this.#lines.values()];
  }

  /** What follows the key in its line. */
  get(key: string): string | undefined {
    return this.#lines.get(key)?.slice(key.length + 1);
  }

  /** Adds lines and writes the file in the background. A cache that cannot be written is none. */
  add(lines: readonly string[]): void {
    for (const line of lines) {
      this.#lines.delete(keyOf(line));
      this.#lines.set(keyOf(line), line);
    }
    this.#writing = (this.#writing ?? Promise.resolve()).then(() => this.#write()).catch(() => {});
  }

  /** Settles when what was added is written, or cannot be. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const folder = await cacheSubfolder(this.#subfolder, this.#folder);
    const text = [this.#format, ...this.lines.slice(-MOST_LINES), ''].join('\n');
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
