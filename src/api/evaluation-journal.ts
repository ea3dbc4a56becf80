/** Where an evaluation notes what is done, so that it can go on after an interruption. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cacheSubfolder } from '../core/cache-folder.ts';
import { type Binding, Journal, readJournal } from '../evaluate/journal.ts';
import type { Outcomes } from '../evaluate/outcomes.ts';

export interface JournalOptions {
  /** Where to keep it (default: beside the predictions or the submission, else in the user's cache folder). */
  readonly journal?: string;
  readonly predictions?: string;
  readonly submission?: string;
  /** Whether to go on with one that is there. */
  readonly resume?: boolean;
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
    return await openAt(named ?? (await cachedPath(binding)), options, binding, outcomes);
  } catch (error) {
    if (named !== undefined || options.resume) throw error;
    // Nobody asked for it: an evaluation must not fail for want of a cache folder.
    return undefined;
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
