/** What the outputs of a network are called. */
import { UsageError } from '../../core/errors.ts';
import { ilsvrcClasses } from '../../core/ilsvrc-2012.ts';

export interface ClassNames {
  /** Identifiers in label order. */
  readonly classes: readonly string[];
  /** Names for people, in label order. */
  readonly labels: readonly string[];
}

/** ILSVRC's 1000 synsets and their words, sorted by synset. */
export function ilsvrcClassNames(): ClassNames {
  const classes = ilsvrcClasses();
  return { classes: classes.map(({ synset }) => synset), labels: classes.map(({ words }) => words) };
}

/** Names by the number of classes: ILSVRC's for 1000, else `class0`, `class1`, … */
export function classNamesFor(count: number): ClassNames {
  return count === 1000 ? ilsvrcClassNames() : numberedClasses(count);
}

/** `class0`, `class1`, … */
export function numberedClasses(count: number): ClassNames {
  const classes = Array.from({ length: count }, (_, index) => `class${index}`);
  return { classes, labels: classes };
}

/**
 * For each of the 1000 classes in sorted order, its place in the development kit's order.
 * @throws UsageError when there are not 1000 classes.
 */
export function developmentKitOrder(classes: number): readonly number[] {
  if (classes !== 1000) {
    throw new UsageError(
      `the development kit's order is one of 1000 classes, and this network has ${classes}`,
    );
  }
  return ilsvrcClasses().map(({ id }) => id - 1);
}
