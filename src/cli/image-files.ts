/** Images that are given to a command, some of which may be bad. */
import { buffer } from 'node:stream/consumers';
import { UsageError } from '../core/errors.ts';
import { type BadImage, badImagesError, listBad } from '../data/sources/bad-images.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import { listGivenImages } from '../data/sources/given/given-images.ts';
import type { GivenImage } from '../data/sources/given/image-input.ts';
import { flag } from './command.ts';
import { log } from './output.ts';

export const skipBad = flag('skip images that cannot be read, and report how many');

export const imagesArgument =
  'image files, folders, zip or tar files, patterns (in quotes), http(s) addresses, or - for standard input';

/** The images of a command line, and a note about files that are not used. @throws UsageError when there are none */
export async function imagesOf(inputs: readonly string[]): Promise<readonly GivenImage[]> {
  if (inputs.indexOf('-') !== inputs.lastIndexOf('-')) {
    throw new UsageError('standard input holds one image, so - can be given only once');
  }
  const { images, unused } = await listGivenImages(
    await Promise.all(inputs.map((input) => (input === '-' ? standardInput() : input))),
  );
  const note = describeUnused(unused);
  if (note !== undefined) log(note);
  return images;
}

async function standardInput(): Promise<File> {
  const { stdin } = process;
  const remedy = 'pipe an image into the command: cat photo.jpg | vgg …, or name a file';
  if (stdin.isTTY) throw new UsageError(`standard input is the keyboard; ${remedy}`);
  const bytes = await buffer(stdin);
  if (bytes.length === 0) throw new UsageError(`standard input is empty; ${remedy}`);
  return new File([bytes], 'standard input');
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
