/** What of an image a network sees (paper, 3.2). */

/**
 * `center`: one crop in the middle. `dense`: the whole image, the class scores averaged over positions.
 * `crops`: a 5×5 regular grid of crops. `both`: the mean of the posteriors of `dense` and `crops`.
 */
export const protocols = ['center', 'dense', 'crops', 'both'] as const;
export type Protocol = (typeof protocols)[number];

/** One way of looking at an image at one scale. */
export type Look = Exclude<Protocol, 'both'>;

/** What a protocol consists of; posteriors are the mean of theirs. */
export function looksOf(protocol: Protocol): readonly Look[] {
  return protocol === 'both' ? ['dense', 'crops'] : [protocol];
}

/** Whether the mirror image is looked at too, unless told otherwise: with `center`, which is the quick one, not. */
export function flipsByDefault(protocol: Protocol): boolean {
  return protocol !== 'center';
}
