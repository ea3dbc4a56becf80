/**
 * What our own kernels have found out about this machine, remembered between runs: the fastest of the schedules that
 * give the same bits (docs/kernels.md). A file that is missing, damaged or of another version is none: then it is found
 * out again. Two processes may overwrite each other's news, which costs no more than that.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { cacheSubfolder, defaultCacheFolder } from '../../core/cache-folder.ts';

/** Grows when kernels or schedules change so that old choices would mislead. */
const FORMAT = 'verydeep schedules 1';
const SUBFOLDER = 'schedules';
/** As dense evaluation has hundreds of sizes; the oldest go first. */
const MOST_LINES = 4096;

export class ScheduleMemory {
  readonly #folder: string;
  readonly #file: string;
  /** By what they are for. */
  readonly #lines: Map<string, string>;
  #writing: Promise<void> | undefined;

  /** @param folder the cache folder */
  constructor(folder: string = defaultCacheFolder()) {
    this.#folder = folder;
    // Another processor in the same home, as on a cluster, has a file of its own.
    const model = cpus()[0]?.model ?? 'unknown';
    this.#file = `${createHash('sha256').update(model).digest('hex').slice(0, 16)}.txt`;
    this.#lines = new Map(read(join(folder, SUBFOLDER, this.#file)).map((line) => [keyOf(line), line]));
  }

  get lines(): readonly string[] {
    return [...this.#lines.values()];
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
    const folder = await cacheSubfolder(SUBFOLDER, this.#folder);
    const text = [FORMAT, ...this.lines.slice(-MOST_LINES), ''].join('\n');
    await writeFileAtomically(join(folder, this.#file), text);
  }
}

function keyOf(line: string): string {
  return line.split(' ', 1)[0]!;
}

function read(path: string): string[] {
  try {
    const [format, ...lines] = readFileSync(path, 'utf8').split('\n');
    return format === FORMAT ? lines.filter((line) => /^\S+ \d+ [01]$/.test(line)) : [];
  } catch {
    return [];
  }
}
