import { type TrainScale, testScaleFor } from '../core/scale.ts';
import type { Rgb } from '../core/shape.ts';
import type { Team } from '../core/team.ts';
import { keepDecoded } from '../data/pixels/decoded-images.ts';
import type { ImageSource } from '../data/sources/source.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import type { Network } from '../net/network.ts';
import { Ensemble } from './ensemble.ts';
import { evaluateImages } from './evaluate-images.ts';
import { ImageClassifier } from './image-classifier.ts';
import { type Evaluation, measure } from './metrics.ts';
import { Outcomes, outcomeOf, shareOutcomes } from './outcomes.ts';

export interface ValidatorOptions {
  readonly network: Network;
  readonly backend: Backend;
  readonly parameters: Parameters;
  readonly images: ImageSource;
  /** Mean RGB of the training images, 0–255. */
  readonly meanRgb: Rgb;
  readonly trainScale: TrainScale;
  /** Bytes of decoded images kept in memory. */
  readonly memory: number;
  readonly maxPixels: number;
  /** Ranks that share the work. */
  readonly team: Team;
}

/** Validates a network in training on center crops, at the test scale that belongs to its training scale S. */
export class Validator {
  readonly #options: ValidatorOptions;
  readonly #ensemble: Ensemble;

  constructor(options: ValidatorOptions) {
    const { images, trainScale, memory, maxPixels } = options;
    const scale = testScaleFor(trainScale);
    this.#options = { ...options, images: keepDecoded(images, memory, { maxPixels, largestSide: scale }) };
    const classifier = new ImageClassifier(options);
    this.#ensemble = new Ensemble([{ classifier, scales: [scale] }], { protocol: 'center' });
  }

  async validate(onProgress: (done: number, total: number) => void): Promise<Evaluation> {
    const { network, images, maxPixels, team } = this.#options;
    const outcomes = new Outcomes(images.length, network.classes);
    await evaluateImages({
      source: images,
      ensemble: this.#ensemble,
      maxPixels,
      team,
      onImage: ({ image, label, posteriors }) => {
        outcomes.set(outcomeOf(image, label, posteriors));
        // The other ranks are about as far.
        onProgress(Math.min(images.length, outcomes.done * team.size), images.length);
      },
    });
    await shareOutcomes(team, outcomes);
    return measure(outcomes);
  }

  dispose(): void {
    this.#ensemble.close();
  }
}
