/** What `vgg pack` did with the color profiles of the images that it shrank, which have none any more. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../../core/errors.ts';
import { type ColorProfiles, colorProfileModes } from '../../../core/image-preparation.ts';
import type { ImageSource } from '../image-source.ts';

const recordSchema = z.object({
  colorProfiles: z.enum(colorProfileModes),
  shards: z.array(z.object({ rescaled: z.int() })),
});

/** @returns undefined if no image was shrunk, or the folder has no record, pack.json, or one of version 0.2 */
export async function packedColorProfiles(folder: string): Promise<ColorProfiles | undefined> {
  try {
    const record = recordSchema.safeParse(JSON.parse(await readFile(join(folder, 'pack.json'), 'utf8')));
    const shrunk = record.data?.shards.some(({ rescaled }) => rescaled > 0);
    return shrunk ? record.data?.colorProfiles : undefined;
  } catch {
    return undefined;
  }
}

/** @throws UserError when images were packed with another treatment of color profiles than is wanted. */
export function checkColorProfiles(
  { location, packedColorProfiles: packed }: ImageSource,
  wanted: ColorProfiles,
): void {
  if (packed === undefined || packed === wanted) return;
  throw new UserError(
    `the shards in ${location} were packed with --color-profiles ${packed}, not ${wanted}; give --color-profiles ${packed}, or pack the images again`,
  );
}
