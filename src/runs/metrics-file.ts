/** A run's metrics.jsonl: reading it whole or while training writes it, and cutting it back to a checkpoint. */
import { constants } from 'node:fs';
import { type FileHandle, open, readFile, truncate } from 'node:fs/promises';
import { systemErrorCode } from '../core/errors.ts';
import { ifExists } from '../core/files.ts';
import { type Metrics, metricsSchema, type ValidationMetrics } from '../train/metrics.ts';

/** The metrics of a run; none if the file does not exist. */
export async function readMetrics(path: string): Promise<Metrics[]> {
  return parseMetrics(await readText(path));
}

/** A killed run may leave a torn line, which is skipped. */
function parseMetrics(text: string): Metrics[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [metricsSchema.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}

export interface Validations {
  /** In order. */
  readonly all: readonly ValidationMetrics[];
  /** The first validation with the lowest top-1 error, after which best.safetensors was written. */
  readonly best: ValidationMetrics | undefined;
  readonly last: ValidationMetrics | undefined;
}

/** The validations among a run's metrics. */
export function validationsOf(metrics: readonly Metrics[]): Validations {
  const all = metrics.filter((line) => line.kind === 'validation');
  const best = all.reduce<ValidationMetrics | undefined>(
    (least, line) => (least && least.top1Error <= line.top1Error ? least : line),
    undefined,
  );
  return { all, best, last: all.at(-1) };
}

/** Removes the metrics after a checkpoint, so that a resumed run's file equals that of an uninterrupted one. */
export async function truncateMetrics(path: string, iteration: number): Promise<void> {
  let kept = 0;
  // Text after the last line break is a torn line.
  for (const line of (await readText(path)).split('\n').slice(0, -1)) {
    if (!isUpTo(line, iteration)) break;
    kept += Buffer.byteLength(line) + 1;
  }
  await ifExists(truncate(path, kept));
}

function isUpTo(line: string, iteration: number): boolean {
  try {
    return (JSON.parse(line) as { iteration: number }).iteration <= iteration;
  } catch {
    return false;
  }
}

async function readText(path: string): Promise<string> {
  return (await ifExists(readFile(path, 'utf8'))) ?? '';
}

const CHUNK_BYTES = 2 ** 20;

/** Follows a metrics.jsonl while training writes to it: each update reads only what is new. Links are not followed. */
export class MetricsFile {
  readonly #path: string;
  #lines: Metrics[] = [];
  /** Bytes of complete lines read so far. */
  #offset = 0;
  /** The last line read, to recognize a file that was cut back and has grown again. */
  #lastBytes = Buffer.alloc(0);
  #updating: Promise<void> | undefined;
  #rewinds = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get lines(): readonly Metrics[] {
    return this.#lines;
  }

  /** How often the file was cut back by a resumed run: when this grows, read `lines` from the start. */
  get rewinds(): number {
    return this.#rewinds;
  }

  /** Reads what was added. Concurrent callers share one read. */
  update(): Promise<void> {
    this.#updating ??= this.#read().finally(() => {
      this.#updating = undefined;
    });
    return this.#updating;
  }

  async #read(): Promise<void> {
    let file: FileHandle;
    try {
      file = await open(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (['ENOENT', 'ELOOP'].includes(systemErrorCode(error) ?? '')) return this.#reset();
      throw error;
    }
    try {
      if (!(await this.#isContinued(file))) this.#reset();
      await this.#readNewLines(file);
    } finally {
      await file.close();
    }
  }

  /** A resumed run cuts the file back to its checkpoint, and it may have grown past our offset since. */
  async #isContinued(file: FileHandle): Promise<boolean> {
    const length = this.#lastBytes.length;
    if (length === 0) return true;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, this.#offset - length);
    return bytesRead === length && buffer.equals(this.#lastBytes);
  }

  #reset(): void {
    if (this.#lines.length > 0) this.#rewinds++;
    this.#lines = [];
    this.#offset = 0;
    this.#lastBytes = Buffer.alloc(0);
  }

  async #readNewLines(file: FileHandle): Promise<void> {
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, this.#offset);
      // Text after the last line break is still being written.
      const end = buffer.subarray(0, bytesRead).lastIndexOf(10) + 1;
      if (end === 0) return;
      const complete = buffer.subarray(0, end);
      for (const line of parseMetrics(complete.toString('utf8'))) this.#lines.push(line);
      this.#lastBytes = Buffer.from(complete.subarray(complete.lastIndexOf(10, end - 2) + 1));
      this.#offset += end;
    }
  }
}
