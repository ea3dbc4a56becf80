/**
 * The images done in an evaluation that may be interrupted: a JSON line that says what was evaluated, then a
 * line an image, in the order in which they were done. A line that is not whole, as a power cut leaves it, and
 * what follows it do not count.
 */
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, systemErrorCode, UserError } from '../core/errors.ts';
import type { Outcome } from './outcomes.ts';

/** What an evaluation's figures depend on. */
export interface Binding {
  /** Checksums of the model files, in order. */
  readonly models: readonly string[];
  /** Fingerprint of the images. */
  readonly data: string;
  readonly protocol: string;
  readonly flip: boolean;
  /** Of each model. */
  readonly scales: readonly (readonly number[])[];
  /** What was multiplied, where it was not float32. */
  readonly precision?: string;
}

const FORMAT = 'verydeep evaluation 1';

const outcomeSchema = z.strictObject({
  image: z.int().min(0),
  label: z.int().min(-1),
  rank: z.int().min(-1),
  loss: z.number(),
  top: z.array(z.strictObject({ index: z.int().min(0), probability: z.number() })).min(1),
});

const PARTS: Readonly<Record<keyof Binding, string>> = {
  models: 'other models',
  data: 'other images',
  protocol: 'another protocol',
  flip: 'another choice of mirror images',
  scales: 'other scales',
  precision: 'another precision',
};

export class Journal {
  readonly path: string;
  readonly #file: FileHandle;
  #lines: string[] = [];
  #writing: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Starts a journal, in place of one that may be there. @throws UserError when the file cannot be written. */
  static async create(path: string, binding: Binding): Promise<Journal> {
    const journal = new Journal(path, await opened(path, 'w'));
    await journal.#write(`${JSON.stringify({ format: FORMAT, ...binding })}\n`);
    return journal;
  }

  /**
   * Goes on with a journal.
   * @throws UserError when it belongs to another evaluation, or cannot be read or written.
   */
  static async resume(path: string, { bytes }: JournalContent): Promise<Journal> {
    const file = await opened(path, 'a');
    await file.truncate(bytes);
    return new Journal(path, file);
  }

  /** Adds an image. It is on its way to the disk when the promise settles, together with others of the moment. */
  add(outcome: Outcome): Promise<void> {
    this.#lines.push(`${JSON.stringify(outcome)}\n`);
    this.#writing ??= this.#writeLines();
    return this.#writing;
  }

  async close(): Promise<void> {
    try {
      await this.#writing;
    } finally {
      await this.#file.close();
    }
  }

  /** Closes and deletes it: the evaluation is done. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }

  async #writeLines(): Promise<void> {
    // Whatever comes in during a write goes with the next.
    while (this.#lines.length > 0) await this.#write(this.#lines.splice(0).join(''));
    this.#writing = undefined;
  }

  async #write(text: string): Promise<void> {
    try {
      await this.#file.appendFile(text);
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }
}

export interface JournalContent {
  readonly outcomes: readonly Outcome[];
  /** Length of what is whole. */
  readonly bytes: number;
}

/**
 * Reads a journal.
 * @param images how many there are
 * @returns undefined where there is none, or none with a whole first line
 * @throws UserError when it belongs to another evaluation, saying what differs.
 */
export async function readJournal(
  path: string,
  binding: Binding,
  images: number,
): Promise<JournalContent | undefined> {
  const text = await textOf(path);
  const lines = text?.split('\n') ?? [];
  // What follows the last line end is not whole.
  lines.pop();
  const header = parsed(lines[0]) as Record<string, unknown> & { format?: string };
  if (header === undefined) return undefined;
  checkBinding(path, header, binding);
  const outcomes: Outcome[] = [];
  let bytes = Buffer.byteLength(lines[0]!) + 1;
  for (const line of lines.slice(1)) {
    const outcome = outcomeSchema.safeParse(parsed(line));
    if (!outcome.success || outcome.data.image >= images) break;
    outcomes.push(outcome.data);
    bytes += Buffer.byteLength(line) + 1;
  }
  return { outcomes, bytes };
}

function checkBinding(path: string, header: Record<string, unknown>, binding: Binding): void {
  if (header.format !== FORMAT) {
    throw new UserError(`${path} is no journal of an evaluation by this version; choose another --journal`);
  }
  const parts = Object.keys(PARTS) as (keyof Binding)[];
  const other = parts.find((part) => JSON.stringify(header[part]) !== JSON.stringify(binding[part]));
  if (other === undefined) return;
  throw new UserError(
    `${path} belongs to an evaluation of ${PARTS[other]}; give the same arguments as then, or leave out --resume to start anew`,
  );
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw new UserError(`${path} could not be read: ${messageOf(error)}; choose another --journal`, {
      cause: error,
    });
  }
}

function parsed(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '');
  } catch {
    return undefined;
  }
}

async function opened(path: string, flags: 'w' | 'a'): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): UserError {
  return new UserError(
    `${path}, the journal of the evaluation, could not be written: ${messageOf(error)}; choose another place with --journal`,
    { cause: error },
  );
}
