/** What a person wrote about a run: a display name and notes, in the run folder's notes.json. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../core/atomic-file.ts';
import type { RunFolder } from './run-folder.ts';

export const runNotes = z.strictObject({
  name: z.string().trim().max(100).default('').describe('display name; empty: the name of the run folder'),
  notes: z.string().max(10_000).default('').describe('plain text'),
});
export type RunNotes = z.output<typeof runNotes>;

const none: RunNotes = { name: '', notes: '' };

/** The notes of a run; empty if there are none, or the file is damaged. Links are not followed. */
export async function readRunNotes(folder: RunFolder): Promise<RunNotes> {
  try {
    await using file = await open(notesFile(folder), constants.O_RDONLY | constants.O_NOFOLLOW);
    return runNotes.parse(JSON.parse(await file.readFile('utf8')));
  } catch {
    return none;
  }
}

/** Replaces the notes of a run. @throws UserError when the folder is not writable */
export async function writeRunNotes(folder: RunFolder, notes: RunNotes): Promise<void> {
  await writeFileAtomically(notesFile(folder), `${JSON.stringify(notes, undefined, 2)}\n`);
}

function notesFile({ path }: RunFolder): string {
  return join(path, 'notes.json');
}
