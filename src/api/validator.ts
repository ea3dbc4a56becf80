import { parseTrainScale, testScaleFor } from '../core/scale.ts';
import type { Team } from '../core/team.ts';
import { keepDecoded } from '../data/pixels/decoded-source.ts';
import type { ImageSource } from '../data/sources/source.ts';
import { Ensemble } from '../evaluate/ensemble.ts';
import { type ErrorRates, errorRates } from '../evaluate/error-rates.ts';
import { evaluateImages } from '../evaluate/evaluate-images.ts';
import { ImageClassifier } from '../evaluate/image-classifier.ts';
import { gatherResults, ImageResults, imageResultOf } from '../evaluate/image-results.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import type { Network } from '../net/network.ts';
import type { Recipe } from '../train/recipe.ts';
import type { TrainingSet } from './training-set.ts';

export interface ValidatorOptions {
  readonly recipe: Recipe;
  readonly network: Network;
  readonly set: TrainingSet;
  readonly backend: Backend;
  readonly parameters: Parameters;
  /** Who shares the work. */
  readonly team: Team;
}

/** Of the memory for decoded images, beside the training images'. */
const SHARE = 4;

/** Validates the parameters in training by centre crops at the test scale that belongs to S. */
export class Validator {
  readonly #options: ValidatorOptions;
  readonly #ensemble: Ensemble;
  readonly #images: ImageSource;

  private constructor(options: ValidatorOptions) {
    this.#options = options;
    const { 'memory-budget': mebibytes, 'max-pixels': maxPixels } = options.recipe;
    const largestSide = testScaleFor(parseTrainScale(options.recipe.scale));
    this.#images = keepDecoded(options.set.validation, (mebibytes * 2 ** 20) / SHARE, {
      maxPixels,
      largestSide,
    });
    const classifier = new ImageClassifier({ ...options, meanRgb: options.set.mean });
    this.#ensemble = new Ensemble([{ classifier, scales: [largestSide] }], { protocol: 'center' });
  }

  static async open(options: ValidatorOptions): Promise<Validator> {
    return new Validator(options);
  }

  async validate(onProgress: (done: number, total: number) => void): Promise<ErrorRates> {
    const { network, recipe, team } = this.#options;
    const { length } = this.#images;
    const results = new ImageResults(length, network.classes);
    await evaluateImages({
      source: this.#images,
      ensemble: this.#ensemble,
      maxPixels: recipe['max-pixels'],
      team,
      onImage: ({ image, label, posteriors }) => {
        results.set(imageResultOf(image, label, posteriors));
        // The others are about as far.
        onProgress(Math.min(length, results.done * team.size), length);
      },
    });
    await gatherResults(team, results);
    return errorRates(results);
  }

  dispose(): void {
    this.#ensemble.close();
  }
}
