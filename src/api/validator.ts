import { parseTrainScale, testScaleFor } from '../core/scale.ts';
import { loadCenterCrops } from '../data/evaluation.ts';
import { CenterClassifier, type Evaluation, evaluate } from '../evaluate/center.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import type { Network } from '../net/network.ts';
import type { Recipe } from '../train/recipe.ts';
import type { TrainingSet } from './training-set.ts';

/** Images a batch; more gains nothing at the sizes that fit it. */
const BATCH = 64;

export interface ValidatorOptions {
  readonly recipe: Recipe;
  readonly network: Network;
  readonly set: TrainingSet;
  readonly backend: Backend;
  readonly parameters: Parameters;
}

/** Validates the parameters in training by centre crops at the test scale that belongs to S. */
export class Validator {
  readonly #classifier: CenterClassifier;
  readonly #set: TrainingSet;
  readonly #recipe: Recipe;

  private constructor(classifier: CenterClassifier, set: TrainingSet, recipe: Recipe) {
    this.#classifier = classifier;
    this.#set = set;
    this.#recipe = recipe;
  }

  static async open({ recipe, network, set, backend, parameters }: ValidatorOptions): Promise<Validator> {
    const classifier = await CenterClassifier.compile(backend, network, parameters, BATCH);
    return new Validator(classifier, set, recipe);
  }

  validate(onProgress: (done: number, total: number) => void): Promise<Evaluation> {
    const { validation, mean } = this.#set;
    const crops = loadCenterCrops(validation, {
      mean,
      crop: this.#recipe.crop,
      scale: testScaleFor(parseTrainScale(this.#recipe.scale)),
      batch: BATCH,
      maxPixels: this.#recipe['max-pixels'],
    });
    return evaluate(this.#classifier.classify(crops), ({ images }) => onProgress(images, validation.length));
  }

  dispose(): void {
    this.#classifier.dispose();
  }
}
