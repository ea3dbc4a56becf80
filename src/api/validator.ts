import { parseTrainScale, testScaleFor } from '../core/scale.ts';
import { CenterCrops } from '../data/evaluation.ts';
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
  readonly #crops: CenterCrops;

  private constructor(classifier: CenterClassifier, crops: CenterCrops) {
    this.#classifier = classifier;
    this.#crops = crops;
  }

  static async open({ recipe, network, set, backend, parameters }: ValidatorOptions): Promise<Validator> {
    const crops = new CenterCrops(set.validation, {
      mean: set.mean,
      crop: recipe.crop,
      scale: testScaleFor(parseTrainScale(recipe.scale)),
      memory: recipe['memory-budget'] * 2 ** 20,
    });
    return new Validator(await CenterClassifier.compile(backend, network, parameters, BATCH), crops);
  }

  validate(onProgress: (done: number, total: number) => void): Promise<Evaluation> {
    const total = this.#crops.source.length;
    return evaluate(this.#classifier.classify(this.#crops.batches(BATCH)), ({ images }) =>
      onProgress(images, total),
    );
  }

  dispose(): void {
    this.#classifier.dispose();
  }
}
