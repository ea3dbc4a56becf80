/** Training images that become unreadable while a run is trained: deleted files, a disk that fails. */
import { UserError } from '../core/errors.ts';
import type { BadImage } from '../data/sources/bad-images.ts';
import type { Recipe } from './recipe.ts';
import type { TrainerHooks, TrainingData } from './trainer-hooks.ts';

/** An image of the next batch is unreadable. All ranks throw it together. */
export class LostImagesError extends UserError {
  override name = 'LostImagesError';
}

/** More than this part of the images lost means that something else is wrong, such as a disk that was removed. */
const MOST = 0.1;

interface Run {
  readonly recipe: Pick<Recipe, 'skip-bad'>;
  readonly data: Pick<TrainingData, 'count'>;
  readonly hooks: Pick<TrainerHooks, 'onNote'>;
}

/**
 * The images to leave out, with those just found.
 * @param found images of this batch that turned out to be unreadable, on all ranks
 * @param before those found earlier in the run
 * @throws LostImagesError naming an image, without `skip-bad` or when too many are lost
 */
export function leaveOut(
  found: readonly BadImage[],
  before: number[],
  { recipe, data, hooks }: Run,
): number[] {
  const fresh = found.filter(({ index }) => !before.includes(index));
  if (fresh.length === 0) return before;
  const more = fresh.length > 1 ? ` (and ${fresh.length - 1} more)` : '';
  if (!recipe['skip-bad']) {
    throw new LostImagesError(
      `a training image has become unreadable: ${fresh[0]!.message}${more}; restore it, or add --skip-bad`,
    );
  }
  const lost = [...before, ...fresh.map(({ index }) => index)].sort((a, b) => a - b);
  if (lost.length > MOST * data.count) {
    throw new LostImagesError(
      `${fresh[0]!.message}${more}: ${lost.length} of ${data.count} training images have become unreadable; check the disk`,
    );
  }
  for (const { message } of fresh) hooks.onNote?.(`${message}; it is left out from now on`);
  return lost;
}
