/**
 * The journal that an evaluation resumes from after an interruption: a JSON line that identifies the evaluation, then
 * one line for each finished image, in the order in which they finished. An incomplete line, which a power cut may
 * leave, and everything after it are ignored.
 */
import { type FileHandle, open, readFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { ifExists, readingError, writingError } from '../../core/files.ts';
import type { ColorProfiles } from '../../core/image-preparation.ts';
import type { MemberPosteriors } from '../inference/ensemble.ts';
import type { ImageResult } from './image-results.ts';

/** Everything that an evaluation's figures depend on. */
export interface EvaluationInputs {
  /** Checksums of the model files, in order. */
  readonly models: readonly string[];
  /** Fingerprint of the images. */
  readonly data: string;
  readonly protocol: string;
  readonly flip: boolean;
  /** Test scales Q of each model. */
  readonly scales: readonly (readonly number[])[];
  readonly colorProfiles: ColorProfiles;
  /** Number format of the multiplications, unless it was fp32. */
  readonly precision?: string;
}

/** Where an evaluation stores its finished images. */
export interface EvaluationRecord {
  add(result: ImageResult, parts: readonly MemberPosteriors[]): Promise<void>;
  /** Closes the record of an evaluation that can be resumed. */
  close(): Promise<void>;
  /** Closes the record of a complete evaluation. */
  finish(): Promise<void>;
}

/** Version 1 has results of another dense evaluation, which ignored a rim at the right and at the bottom. */
const FORMAT = 'verydeep evaluation 2';
/** How journals of all versions start. */
const START = '{"format":"verydeep evaluation ';

const resultSchema = z.strictObject({
  image: z.int().min(0),
  label: z.int().min(-1),
  rank: z.int().min(-1),
  loss: z.number(),
  top: z.array(z.strictObject({ index: z.int().min(0), probability: z.number() })).min(1),
});

const DIFFERENCES: Readonly<Record<keyof EvaluationInputs, string>> = {
  models: 'other models',
  data: 'other images',
  protocol: 'another protocol',
  flip: 'another mirror-image setting',
  scales: 'other scales',
  colorProfiles: 'another treatment of color profiles',
  precision: 'another precision',
};

export class Journal implements EvaluationRecord {
  readonly path: string;
  readonly #file: FileHandle;
  #lines: string[] = [];
  #writing: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Starts a journal and overwrites an existing one. @throws UserError for other files, or if it cannot be written. */
  static async create(path: string, inputs: EvaluationInputs): Promise<Journal> {
    const found = (await textOf(path)) ?? '';
    if (found !== '' && !found.startsWith(START)) {
      throw new UserError(`${path} is not an evaluation journal; choose another file with --journal`);
    }
    const journal = new Journal(path, await opened(path, 'w'));
    await journal.#write(`${JSON.stringify({ format: FORMAT, ...inputs })}\n`);
    return journal;
  }

  /** Continues a journal that was read with `readJournal`. @throws UserError when it cannot be written. */
  static async resume(path: string, { bytes }: JournalContent): Promise<Journal> {
    const file = await opened(path, 'a');
    await file.truncate(bytes);
    return new Journal(path, file);
  }

  /** Adds an image. The promise settles when the line has been handed to the system. */
  add(result: ImageResult): Promise<void> {
    this.#lines.push(`${JSON.stringify(result)}\n`);
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

  /** Closes and deletes the journal. */
  async finish(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }

  async #writeLines(): Promise<void> {
    // Lines that arrive during a write go into the next one.
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

interface JournalContent {
  readonly results: readonly ImageResult[];
  /** Length of the complete lines. */
  readonly bytes: number;
}

/**
 * Reads a journal.
 * @param images number of images in the evaluation
 * @returns undefined if there is no file, or its first line is incomplete
 * @throws UserError when it belongs to another evaluation, naming the difference.
 */
export async function readJournal(
  path: string,
  inputs: EvaluationInputs,
  images: number,
): Promise<JournalContent | undefined> {
  const text = await textOf(path);
  const lines = text?.split('\n') ?? [];
  // Text after the last line break is an incomplete line.
  lines.pop();
  const header = parsed(lines[0]) as Record<string, unknown> & { format?: string };
  if (header === undefined) return undefined;
  checkInputs(path, header, inputs);
  const results: ImageResult[] = [];
  let bytes = Buffer.byteLength(lines[0]!) + 1;
  for (const line of lines.slice(1)) {
    const result = resultSchema.safeParse(parsed(line));
    if (!result.success || result.data.image >= images) break;
    results.push(result.data);
    bytes += Buffer.byteLength(line) + 1;
  }
  return { results, bytes };
}

function checkInputs(path: string, header: Record<string, unknown>, inputs: EvaluationInputs): void {
  if (header.format !== FORMAT) {
    throw new UserError(
      `${path} is not an evaluation journal of this version; choose another file with --journal`,
    );
  }
  const keys = Object.keys(DIFFERENCES) as (keyof EvaluationInputs)[];
  const different = keys.find((key) => JSON.stringify(header[key]) !== JSON.stringify(inputs[key]));
  if (different === undefined) return;
  throw new UserError(
    `${path} belongs to an evaluation with ${DIFFERENCES[different]}; repeat its arguments, or leave out --resume to start over`,
  );
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await ifExists(readFile(path, 'utf8'));
  } catch (error) {
    throw readingError(path, error);
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
  const { message } = writingError(path, error);
  return new UserError(`the evaluation journal ${message}, or name another file with --journal`, {
    cause: error,
  });
}
