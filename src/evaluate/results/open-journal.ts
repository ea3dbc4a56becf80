/** Finds an evaluation's journal and reads the results of an interrupted evaluation from it. */
import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cacheSubfolder } from '../../core/cache.ts';
import type { ImageResults } from './image-results.ts';
import { type EvaluationInputs, Journal, readJournal } from './journal.ts';
import type { ResultFileOptions } from './predictions-and-submission.ts';

export interface JournalOptions extends ResultFileOptions {
  /** The journal's file (default: next to the predictions or the submission, else in the user's cache folder). */
  readonly journal?: string;
  /** Whether to continue the same evaluation if it was interrupted (default false: start over). */
  readonly resume?: boolean;
  /** Called with notes for the user, for instance when an evaluation is resumed. */
  onNote?(note: string): void;
}

/**
 * Opens the journal. With `resume`, adds the results that it holds to `results`.
 * @param rank of the ranks that share the images; each has its own journal, named after the first rank's
 * @returns undefined if no file was named and the cache folder cannot be written
 * @throws UserError when the journal belongs to another evaluation, or the named file cannot be written.
 */
export async function openJournal(
  options: JournalOptions,
  rank: number,
  inputs: EvaluationInputs,
  results: ImageResults,
): Promise<Journal | undefined> {
  const named = options.journal ?? besideResults(options);
  try {
    const path = named ?? (await cachedPath(inputs));
    if (rank > 0) return await openAt(`${path}.rank${rank}`, options, inputs, results);
    await takeOver(path, options, inputs, results);
    return await openAt(path, options, inputs, results);
  } catch (error) {
    if (named !== undefined || options.resume) throw error;
    // Nobody asked for a journal: a missing cache folder must not fail the evaluation.
    return undefined;
  }
}

/** Takes over the journals of other ranks, no matter how many ranks resume; deletes them when the evaluation starts over. */
async function takeOver(
  path: string,
  { resume }: JournalOptions,
  inputs: EvaluationInputs,
  results: ImageResults,
): Promise<void> {
  const prefix = `${basename(path)}.rank`;
  const names = await readdir(dirname(path)).catch((): string[] => []);
  for (const name of names.filter((name) => name.startsWith(prefix))) {
    const file = join(dirname(path), name);
    if (!resume) await rm(file, { force: true });
    const content = resume ? await readJournal(file, inputs, results.length) : undefined;
    for (const result of content?.results ?? []) results.set(result);
  }
}

async function openAt(
  path: string,
  { resume = false, onNote }: JournalOptions,
  inputs: EvaluationInputs,
  results: ImageResults,
): Promise<Journal> {
  if (!resume) return Journal.create(path, inputs);
  const content = await readJournal(path, inputs, results.length);
  if (content === undefined) {
    onNote?.(`no interrupted evaluation found (${path}); starting from the beginning`);
    return Journal.create(path, inputs);
  }
  for (const result of content.results) results.set(result);
  onNote?.(`resuming after ${results.done} of ${results.length} images (${path})`);
  return Journal.resume(path, content);
}

function besideResults({ predictions, submission }: JournalOptions): string | undefined {
  const results = predictions ?? submission;
  return results === undefined ? undefined : `${results}.journal`;
}

async function cachedPath(inputs: EvaluationInputs): Promise<string> {
  const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16);
  return join(await cacheSubfolder('evaluations'), `${key}.journal`);
}
