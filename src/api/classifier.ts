import { readFile } from 'node:fs/promises';
import { messageOf, UserError } from '../core/errors.ts';
import { centerCrop, writeCrop } from '../data/crop.ts';
import { prepareForEvaluation } from '../data/evaluation.ts';
import { CenterClassifier } from '../evaluate/center.ts';
import { topClasses } from '../evaluate/softmax.ts';
import type { Model } from '../weights/model-file.ts';
import { scaleOf } from './evaluate-model.ts';
import { type EngineOptions, type LoadedModel, loadModel } from './load-model.ts';

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

export interface PredictOptions {
  /** How many classes to name (default 5). */
  readonly top?: number;
  /** Smaller side Q that the image is rescaled to (default: what belongs to the training scale). */
  readonly scale?: number;
  /** Images of more pixels are refused before they are decoded (default 100 million). */
  readonly maxPixels?: number;
}

/** A model that says what is in an image. */
export class Classifier {
  readonly #loaded: LoadedModel;
  readonly #center: CenterClassifier;

  private constructor(loaded: LoadedModel, center: CenterClassifier) {
    this.#loaded = loaded;
    this.#center = center;
  }

  /** @throws UserError when the file is no model. */
  static async open(path: string, options: EngineOptions = {}): Promise<Classifier> {
    const loaded = await loadModel(path, options);
    const { backend, model, parameters } = loaded;
    return new Classifier(loaded, await CenterClassifier.compile(backend, model.network, parameters, 1));
  }

  get model(): Model {
    return this.#loaded.model;
  }

  /**
   * Classifies the centre crop of an image.
   * @param image a file's path, or the bytes of a JPEG, PNG or WebP
   * @throws UserError when it cannot be read or decoded.
   */
  async predict(image: string | Uint8Array, options: PredictOptions = {}): Promise<ImagePrediction> {
    const { model } = this.#loaded;
    const name = typeof image === 'string' ? image : 'the image';
    const bytes = typeof image === 'string' ? await read(image) : image;
    const { crop } = model.network;
    const scale = options.scale ?? scaleOf(model);
    const [scaled] = await prepareForEvaluation({ kind: 'encoded', bytes }, name, [scale], {
      maxPixels: options.maxPixels,
    });
    const input = new Float32Array(3 * crop ** 2);
    writeCrop(scaled!, centerCrop(scaled!.width, scaled!.height, crop), model.meanRgb, input, 0);
    const posteriors = await this.#center.classifyOne(input);
    const top = topClasses(posteriors, options.top ?? 5).map(({ index, probability }) => ({
      index,
      label: model.labels[index]!,
      probability,
    }));
    return { top, posteriors };
  }

  /** Frees the weights. */
  close(): void {
    this.#center.dispose();
    this.#loaded.parameters.dispose();
  }
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UserError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
