/** A run's metrics.jsonl, read on from where it was left, while the training writes to it. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { systemErrorCode } from '../../core/errors.ts';
import { type MetricsLine, metricsLine } from '../contract/runs.ts';

const PIECE = 2 ** 20;

export class MetricsFile {
  readonly #path: string;
  #lines: MetricsLine[] = [];
  /** Bytes of whole lines that have been read. */
  #offset = 0;
  /** The line that ends there, to tell a file that was cut off and has grown again. */
  #lastBytes = Buffer.alloc(0);
  #updating: Promise<void> | undefined;
  /** How often lines have been taken back. */
  #rewinds = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get lines(): readonly MetricsLine[] {
    return this.#lines;
  }

  /** Grows by 1 when a resumed run has taken lines back: see `lines` anew. */
  get rewinds(): number {
    return this.#rewinds;
  }

  get last(): MetricsLine | undefined {
    return this.#lines.at(-1);
  }

  get lastValidation() {
    return this.#lines.findLast((line) => line.kind === 'validation');
  }

  /** The validation of the smallest top-1 error. */
  get best() {
    return this.#lines
      .filter((line) => line.kind === 'validation')
      .reduce<MetricsLine | undefined>(
        (best, line) => (best && best.top1Error <= line.top1Error ? best : line),
        undefined,
      );
  }

  /** Reads what has been added. Callers at the same time share one reading. */
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
      if (['ENOENT', 'ELOOP'].includes(systemErrorCode(error) ?? '')) return this.#forget();
      throw error;
    }
    try {
      if (!(await this.#isContinued(file))) this.#forget();
      await this.#readOn(file);
    } finally {
      await file.close();
    }
  }

  /** A resumed run's file is cut off at its checkpoint and may have grown beyond where we were. */
  async #isContinued(file: FileHandle): Promise<boolean> {
    const length = this.#lastBytes.length;
    if (length === 0) return true;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, this.#offset - length);
    return bytesRead === length && buffer.equals(this.#lastBytes);
  }

  #forget(): void {
    if (this.#lines.length > 0) this.#rewinds++;
    this.#lines = [];
    this.#offset = 0;
    this.#lastBytes = Buffer.alloc(0);
  }

  async #readOn(file: FileHandle): Promise<void> {
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(PIECE), 0, PIECE, this.#offset);
      // What stands behind the last line's end is still being written.
      const end = buffer.subarray(0, bytesRead).lastIndexOf(10) + 1;
      if (end === 0) return;
      const whole = buffer.subarray(0, end);
      for (const line of whole.toString('utf8').split('\n')) this.#add(line);
      this.#lastBytes = Buffer.from(whole.subarray(whole.lastIndexOf(10, end - 2) + 1));
      this.#offset += end;
    }
  }

  #add(line: string): void {
    if (line === '') return;
    try {
      this.#lines.push(metricsLine.parse(JSON.parse(line)));
    } catch {
      // A killed run may have left a torn line.
    }
  }
}
