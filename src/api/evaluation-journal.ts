/** Where an evaluation notes what is done, so that it can go on after an interruption. */
import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cacheSubfolder } from '../core/cache.ts';
import { type Binding, Journal, readJournal } from '../evaluate/journal.ts';
import type { Outcomes } from '../evaluate/outcomes.ts';

export interface JournalOptions {
  /** Where to keep it (default: beside the predictions or the submission, else in the user's cache folder). */
  readonly journal?: string;
  readonly predictions?: string;
  readonly submission?: string;
  /** Whether to go on with one that is there. */
  readonly resume?: boolean;
  /** Of several that share the images: each has a journal of its own, under a name made from the first one's. */
  readonly rank?: number;
  onNote?(note: string): void;
}

/**
 * Opens the journal. With `resume` the outcomes that it holds are put into `outcomes`.
 * @returns undefined where nobody named a place and the cache folder cannot be written
 * @throws UserError when it belongs to another evaluation, or a place that was named cannot be written.
 */
export async function openJournal(
  options: JournalOptions,
  binding: Binding,
  outcomes: Outcomes,
): Promise<Journal | undefined> {
  const named = options.journal ?? besideResults(options);
  try {
    const path = named ?? (await cachedPath(binding));
    if (options.rank) return await openAt(`${path}.rank${options.rank}`, options, binding, outcomes);
    await takeOver(path, options, binding, outcomes);
    return await openAt(path, options, binding, outcomes);
  } catch (error) {
    if (named !== undefined || options.resume) throw error;
    // Nobody asked for it: an evaluation must not fail for want of a cache folder.
    return undefined;
  }
}

/** What other ranks have noted here counts, whoever goes on; where the evaluation starts anew it is deleted. */
async function takeOver(
  path: string,
  { resume }: JournalOptions,
  binding: Binding,
  outcomes: Outcomes,
): Promise<void> {
  const prefix = `${basename(path)}.rank`;
  const names = await readdir(dirname(path)).catch((): string[] => []);
  for (const name of names.filter((name) => name.startsWith(prefix))) {
    const file = join(dirname(path), name);
    if (!resume) await rm(file, { force: true });
    const content = resume ? await readJournal(file, binding, outcomes.length) : undefined;
    for (const outcome of content?.outcomes ?? []) outcomes.set(outcome);
  }
}

async function openAt(
  path: string,
  { resume = false, onNote }: JournalOptions,
  binding: Binding,
  outcomes: Outcomes,
): Promise<Journal> {
  if (!resume) return Journal.create(path, binding);
  const content = await readJournal(path, binding, outcomes.length);
  if (content === undefined) {
    onNote?.(`there is no interrupted evaluation of this kind (${path}); it starts from the beginning`);
    return Journal.create(path, binding);
  }
  for (const outcome of content.outcomes) outcomes.set(outcome);
  onNote?.(`going on after ${outcomes.done} of ${outcomes.length} images (${path})`);
  return Journal.resume(path, content);
}

function besideResults({ predictions, submission }: JournalOptions): string | undefined {
  const results = predictions ?? submission;
  return results === undefined ? undefined : `${results}.journal`;
}

async function cachedPath(binding: Binding): Promise<string> {
  const key = createHash('sha256').update(JSON.stringify(binding)).digest('hex').slice(0, 16);
  return join(await cacheSubfolder('evaluations'), `${key}.journal`);
}
