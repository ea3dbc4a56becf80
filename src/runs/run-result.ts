import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { z } from 'zod';
import type { RunFolder } from './run-folder.ts';

const schema = z.object({
  reason: z.enum(['iterations', 'plateau', 'interrupted']),
  iterations: z.int(),
  seconds: z.number(),
});

/** How a run ended; undefined while it has not, and where the file does not say. */
export async function readRunResult({ resultFile }: RunFolder): Promise<z.output<typeof schema> | undefined> {
  try {
    const file = await open(resultFile, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return schema.parse(JSON.parse(await file.readFile('utf8')));
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
