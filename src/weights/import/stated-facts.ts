/** Facts that a file states about itself, for those that the user did not give. */
import { ilsvrcClasses } from '../../core/ilsvrc-2012.ts';
import type { WeightContent } from '../formats/weight-content.ts';
import { type ClassNames, classNamesFor } from '../labels/class-names.ts';
import type { ImportOptions } from './import-options.ts';

/** The options, with the preprocessing that the file states unless they say anything about it. */
export function withStatedPreprocessing<Options extends ImportOptions>(
  { preprocessing, metadata }: Pick<WeightContent, 'preprocessing' | 'metadata'>,
  options: Options,
): Options {
  const { convention, mean, std, scale, channelOrder } = options;
  const isGiven = [convention, mean, std, scale, channelOrder].some((option) => option !== undefined);
  if (!preprocessing || isGiven || Object.hasOwn(metadata, 'verydeep.format')) return options;
  return { ...options, ...preprocessing };
}

/** The names of a network's outputs: the file's if they fit, else the usual ones for their number. */
export function statedClassNames(
  { classNames }: Pick<WeightContent, 'classNames'>,
  count: number,
): ClassNames {
  if (classNames?.classes.length !== count || isIlsvrc(classNames)) return classNamesFor(count);
  return classNames;
}

/** Whether the names are ILSVRC's words, for which there are better identifiers: synsets. */
function isIlsvrc({ classes }: ClassNames): boolean {
  if (classes.length !== 1000) return false;
  const known = ilsvrcClasses();
  const fitting = classes.filter((name, index) => {
    const { synset, words } = known[index]!;
    return name === synset || name === words || name === words.split(',')[0];
  });
  return fitting.length > 900;
}
