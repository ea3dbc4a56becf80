/** The names of a network's outputs. */
import { UsageError } from '../../core/errors.ts';
import { ilsvrcClasses } from '../../core/ilsvrc-2012.ts';

export interface ClassNames {
  /** Identifiers in label order. */
  readonly classes: readonly string[];
  /** Human-readable names, in label order. */
  readonly labels: readonly string[];
}

/** Default names for a number of classes: ILSVRC's synsets and words for 1000, otherwise `class0`, `class1`, … */
export function classNamesFor(count: number): ClassNames {
  if (count !== 1000) return numberedClasses(count);
  const classes = ilsvrcClasses();
  return { classes: classes.map(({ synset }) => synset), labels: classes.map(({ words }) => words) };
}

/** `class0`, `class1`, … */
export function numberedClasses(count: number): ClassNames {
  const classes = Array.from({ length: count }, (_, index) => `class${index}`);
  return { classes, labels: classes };
}

/**
 * Each of the 1000 sorted classes' position in the development kit's order.
 * @throws UsageError for another number of classes.
 */
export function developmentKitOrder(classes: number): readonly number[] {
  if (classes !== 1000) {
    throw new UsageError(`--class-order devkit needs a network of 1000 classes, but this one has ${classes}`);
  }
  return ilsvrcClasses().map(({ id }) => id - 1);
}
