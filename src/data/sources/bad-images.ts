import { UserError } from '../../core/errors.ts';

/** An image that cannot be opened, decoded or used, and why. */
export interface BadImage {
  /** Number of the image in its source or list, from 0. */
  readonly index: number;
  /** The reason, with the image's path. */
  readonly message: string;
}

const SHOWN = 5;

/**
 * The error for images that cannot be used, with the first few messages.
 * @param place what the images are of, such as ` of photos`
 */
export function badImagesError(bad: readonly BadImage[], total: number, place = ''): UserError {
  if (bad.length === total && total > 1) {
    return new UserError(`none of the ${total} images${place} can be decoded: ${bad[0]!.message}`);
  }
  return new UserError(
    `${bad.length} of the ${total} images${place} cannot be used; fix or remove them, or leave them out with --skip-bad:${listBad(bad)}`,
  );
}

/** The first few messages, each on a line of its own. */
export function listBad(bad: readonly BadImage[]): string {
  const shown = bad.slice(0, SHOWN).map(({ message }) => `\n  ${message}`);
  return `${shown.join('')}${bad.length > SHOWN ? `\n  and ${bad.length - SHOWN} more` : ''}`;
}
