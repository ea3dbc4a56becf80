import { readBytes } from '../core/files.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { EngineOptions } from '../evaluate/inference/load-model.ts';
import { LoadedEnsemble } from '../evaluate/inference/open-ensemble.ts';
import { type LabeledClass, withLabels } from '../evaluate/protocol/prediction-maps.ts';
import type { ProtocolOptions } from '../evaluate/protocol/protocol.ts';
import { topClasses } from '../evaluate/protocol/softmax.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';

/** A predicted class. */
export type Prediction = LabeledClass;

/** The prediction for one image. */
export interface ImagePrediction {
  /** The most probable classes, best first. */
  readonly top: readonly Prediction[];
  /** `[classes]`, in label order. */
  readonly posteriors: Float32Array;
}

export interface PredictOptions extends ProtocolOptions {
  /** Number of classes in `top` (default 5). */
  readonly top?: number;
  /** Images with more pixels are rejected before they are decoded (default 100 million). */
  readonly maxPixels?: number;
}

/**
 * Classifies images with one model, or with several whose posteriors are averaged (paper, 4.4).
 * @example
 * const classifier = await Classifier.open('runs/photos/best.safetensors');
 * const { top } = await classifier.predict('cat.jpg');
 * console.log(top[0].label, top[0].probability);
 * classifier.close();
 */
export class Classifier {
  readonly #models: LoadedEnsemble;

  private constructor(models: LoadedEnsemble) {
    this.#models = models;
  }

  /**
   * Loads the model.
   * @param path a model file, or several whose posteriors are averaged
   * @throws UserError when a file is not a model, the models have different classes, or the backend is missing.
   */
  static async open(path: string | readonly string[], options: EngineOptions = {}): Promise<Classifier> {
    return new Classifier(await LoadedEnsemble.open(typeof path === 'string' ? [path] : path, options));
  }

  /** Network, classes and preprocessing of the (first) model. */
  get model(): ModelFacts {
    return this.#models.first.facts;
  }

  /**
   * Classifies an image: densely and with its mirror image unless the options say otherwise.
   * @param image path of a file, or the bytes of a JPEG, PNG or WebP
   * @throws UserError when the image cannot be read or decoded, or a scale is too small for the model.
   */
  async predict(image: string | Uint8Array, options: PredictOptions = {}): Promise<ImagePrediction> {
    const protocol = this.#models.resolve(options);
    const ensemble = this.#models.ensemble(protocol);
    const name = typeof image === 'string' ? image : 'the image';
    const bytes = typeof image === 'string' ? await readBytes(image) : image;
    const scaled = await prepareForEvaluation({ kind: 'encoded', bytes }, name, ensemble.scales, {
      maxPixels: options.maxPixels,
      colorProfiles: protocol.colorProfiles,
    });
    const classified = ensemble.classify(scaled);
    ensemble.flush();
    const { posteriors } = await classified;
    return { top: withLabels(topClasses(posteriors, options.top ?? 5), this.model.labels), posteriors };
  }

  /** Frees the weights. */
  close(): void {
    this.#models.close();
  }
}
