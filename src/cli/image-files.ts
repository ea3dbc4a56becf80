/** Images that are given to a command by name: files and folders, some of which may be bad. */
import { UsageError } from '../core/errors.ts';
import { kindOf } from '../core/files.ts';
import { type BadImage, badImagesError, listBad } from '../data/sources/bad-images.ts';
import { disk } from '../data/sources/folders/file-tree.ts';
import { listUnlabeled } from '../data/sources/folders/listing.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import { flag } from './command.ts';
import { log } from './output.ts';

export const skipBad = flag('skip images that cannot be read, and report how many');

/** Replaces folders by the images below them, and reports files there that are not used. */
export async function imageFiles(inputs: readonly string[]): Promise<string[]> {
  const images: string[] = [];
  for (const input of inputs) {
    if ((await kindOf(input)) !== 'folder') {
      images.push(input);
      continue;
    }
    const { files, unused } = await listUnlabeled(disk, input);
    for (let i = 0; i < files.length; i++) images.push(`${input.replace(/\/+$/, '')}/${files.name(i)}`);
    const note = describeUnused(unused.counts);
    if (note !== undefined) log(note);
  }
  if (images.length === 0) throw new UsageError(`there are no images in ${inputs.join(', ')}`);
  return images;
}

/** Why images could not be used, for JSON; undefined if there are none. */
export function messagesOf(bad: readonly BadImage[]): string[] | undefined {
  return bad.length === 0 ? undefined : bad.map(({ message }) => message);
}

/**
 * Reports the images that could not be used, once the results of the others are printed.
 * @param place what the images are of, such as ` of photos`
 * @throws UserError unless there are none or they are skipped
 */
export function reportBad(
  bad: readonly BadImage[],
  total: number,
  { skipBad: skip }: { readonly skipBad?: boolean },
  place?: string,
): void {
  if (bad.length === 0) return;
  if (!skip) throw badImagesError(bad, total, place);
  const are = bad.length === 1 ? 'is' : 'are';
  log(`${bad.length} of ${total} images cannot be read and ${are} left out:${listBad(bad)}`);
}
