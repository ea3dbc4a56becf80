/** Weights of the classes in the loss (`class-weights`), for classes with few images. Beyond the paper. */
import { numbersByName } from '../core/class-names.ts';
import { UserError } from '../core/errors.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { readYaml } from './recipe-file.ts';
import { classCounts } from './training-warnings.ts';

/**
 * A weight for each class. `balanced`: images / (classes · images of the class), so that all classes count the same and an
 * image counts 1 on average.
 * @param setting `balanced`, or a YAML or JSON file that maps each class to its weight; undefined: no weights
 * @throws UserError for a class that is missing or unknown, or a weight that is not above 0.
 */
export async function classWeights(
  setting: string | undefined,
  training: ImageSource,
): Promise<Float32Array | undefined> {
  if (setting === undefined) return undefined;
  if (setting === 'balanced') {
    const counts = classCounts(training);
    return Float32Array.from(counts, (count) => training.length / (counts.length * Math.max(1, count)));
  }
  const given = await readYaml(setting, 'class weights');
  const file = `the class weights ${setting}`;
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw new UserError(`${file} must map each class to its weight, such as "cat: 2"`);
  }
  const numbers = numbersByName(training.classes);
  const weights = new Float32Array(training.classes.length);
  for (const [name, weight] of Object.entries(given)) {
    const number = numbers.get(name.normalize('NFC'));
    if (number === undefined) {
      throw new UserError(`${file}: the images have no class "${name}"; name the classes as the data does`);
    }
    if (typeof weight !== 'number' || !(weight > 0 && weight < Infinity)) {
      throw new UserError(`${file}: the weight of "${name}" must be a number above 0, not ${weight}`);
    }
    weights[number] = weight;
  }
  const missing = training.classes.find((_, number) => weights[number] === 0);
  if (missing !== undefined) throw new UserError(`${file}: no weight for class "${missing}"; add it`);
  return weights;
}
