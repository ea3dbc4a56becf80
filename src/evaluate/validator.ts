import type { Team } from '../core/process-team.ts';
import { type TrainScale, testScaleFor } from '../core/scale.ts';
import type { Rgb } from '../core/shape.ts';
import type { DecodeOptions } from '../data/pixels/decode.ts';
import { keepDecoded } from '../data/pixels/decoded-images.ts';
import type { BadImage } from '../data/sources/bad-images.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import type { Network } from '../net/network.ts';
import { evaluateImages } from './evaluate-images.ts';
import { Ensemble } from './inference/ensemble.ts';
import { ImageClassifier } from './inference/image-classifier.ts';
import { type ErrorRates, errorRates } from './results/error-rates.ts';
import { gatherResults, ImageResults, imageResultOf } from './results/image-results.ts';

interface ValidatorOptions extends DecodeOptions {
  readonly network: Network;
  readonly backend: Backend;
  readonly parameters: Parameters;
  readonly images: ImageSource;
  /** Mean RGB of the training images, 0–255. */
  readonly meanRgb: Rgb;
  readonly trainScale: TrainScale;
  /** Bytes of decoded images kept in memory. */
  readonly memory: number;
  /** Ranks that share the work. */
  readonly team: Team;
  /** Called once for each image that became unreadable, which is then left out (default: it is an error). */
  readonly onBad?: (image: BadImage) => void;
}

/** Validates a network in training on center crops, at the test scale for its training scale S. */
export class Validator {
  readonly #options: ValidatorOptions;
  readonly #ensemble: Ensemble;
  readonly #bad = new Set<number>();

  constructor(options: ValidatorOptions) {
    const { images, trainScale, memory } = options;
    const scale = testScaleFor(trainScale);
    this.#options = { ...options, images: keepDecoded(images, memory, { ...options, largestSide: scale }) };
    const classifier = new ImageClassifier(options);
    this.#ensemble = new Ensemble([{ classifier, scales: [scale] }], { protocol: 'center' });
  }

  async validate(onProgress: (done: number, total: number) => void): Promise<ErrorRates> {
    const { network, images, maxPixels, colorProfiles, team, onBad } = this.#options;
    const results = new ImageResults(images.length, network.classes);
    await evaluateImages({
      source: images,
      ensemble: this.#ensemble,
      maxPixels,
      colorProfiles,
      team,
      onBad:
        onBad &&
        ((image) => {
          if (!this.#bad.has(image.index)) onBad(image);
          this.#bad.add(image.index);
        }),
      onImage: ({ image, label, posteriors }) => {
        results.set(imageResultOf(image, label, posteriors));
        // The other ranks have finished about as many.
        onProgress(Math.min(images.length, results.done * team.size), images.length);
      },
    });
    await gatherResults(team, results);
    return errorRates(results);
  }

  dispose(): void {
    this.#ensemble.close();
  }
}
