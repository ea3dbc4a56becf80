import { readFile } from 'node:fs/promises';
import { messageOf, UserError } from '../core/errors.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import { topClasses } from '../evaluate/softmax.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import type { EngineOptions } from './load-model.ts';
import { OpenModels, type ProtocolOptions } from './open-ensemble.ts';

export interface Prediction {
  readonly index: number;
  readonly label: string;
  readonly probability: number;
}

export interface ImagePrediction {
  /** Best first. */
  readonly top: readonly Prediction[];
  /** `[classes]` */
  readonly posteriors: Float32Array;
}

export interface PredictOptions extends ProtocolOptions {
  /** How many classes to name (default 5). */
  readonly top?: number;
  /** Images of more pixels are refused before they are decoded (default 100 million). */
  readonly maxPixels?: number;
}

/** A model, or several averaged, that says what is in an image. */
export class Classifier {
  readonly #models: OpenModels;

  private constructor(models: OpenModels) {
    this.#models = models;
  }

  /**
   * @param path a model file, or several whose posteriors are averaged
   * @throws UserError when a file is no model, or their classes differ.
   */
  static async open(path: string | readonly string[], options: EngineOptions = {}): Promise<Classifier> {
    return new Classifier(await OpenModels.open(typeof path === 'string' ? [path] : path, options));
  }

  /** What is known of the (first) model. */
  get model(): ModelFacts {
    return this.#models.first.facts;
  }

  /**
   * Classifies an image, densely and with its mirror image unless another protocol is asked for.
   * @param image a file's path, or the bytes of a JPEG, PNG or WebP
   * @throws UserError when it cannot be read or decoded.
   */
  async predict(image: string | Uint8Array, options: PredictOptions = {}): Promise<ImagePrediction> {
    const ensemble = this.#models.ensemble(this.#models.looking(options));
    const name = typeof image === 'string' ? image : 'the image';
    const bytes = typeof image === 'string' ? await read(image) : image;
    const stored = { kind: 'encoded', bytes } as const;
    const scaled = await prepareForEvaluation(stored, name, ensemble.scales, options);
    const judged = ensemble.judge(scaled);
    ensemble.flush();
    const { posteriors } = await judged;
    const { labels } = this.model;
    const top = topClasses(posteriors, options.top ?? 5).map(({ index, probability }) => ({
      index,
      label: labels[index]!,
      probability,
    }));
    return { top, posteriors };
  }

  /** Frees the weights. */
  close(): void {
    this.#models.close();
  }
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UserError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
