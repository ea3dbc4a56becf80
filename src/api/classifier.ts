import { mapConcurrently } from '../core/concurrency.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import { type GivenImage, givenImage, type ImageInput } from '../data/sources/given/image-input.ts';
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
   * @param path a model (a file, or a name such as `torchvision/vgg16`), or several whose posteriors are averaged
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
   * @param image a path, the bytes of a JPEG, PNG, WebP or AVIF file (Buffer, Uint8Array, ArrayBuffer, Blob or File), or
   *   an address (URL, or text that starts with `http:`, `https:`, `file:` or `data:`). Downloads are limited to 100 MiB,
   *   30 seconds and 5 redirects.
   * @throws UserError when the image cannot be read, downloaded or decoded, or a scale is too small for the model;
   *   UsageError for values of other types.
   * @example
   * await classifier.predict(await readFile('cat.jpg')); // Buffer
   * await classifier.predict(new URL('https://example.org/cat.jpg'));
   * await classifier.predict(form.get('photo')); // File
   */
  predict(image: ImageInput, options?: PredictOptions): Promise<ImagePrediction>;
  /**
   * Classifies several images.
   * @param images as above
   * @returns their predictions in the same order
   * @throws UserError naming the first image that cannot be used; then none has a prediction.
   * @example
   * const [cat, dog] = await classifier.predict(['cat.jpg', new URL('https://example.org/dog.jpg')]);
   */
  predict(images: readonly ImageInput[], options?: PredictOptions): Promise<ImagePrediction[]>;
  async predict(
    given: ImageInput | readonly ImageInput[],
    options: PredictOptions = {},
  ): Promise<ImagePrediction | ImagePrediction[]> {
    if (!Array.isArray(given)) return this.#predict(givenImage(given as ImageInput), options);
    const places = given.map((_, i) => `image ${i + 1} of ${given.length}`);
    const images = given.map((input, i) => givenImage(input, places[i]));
    // Decodes the next image while one is classified.
    return mapConcurrently(images, 2, (image) => this.#predict(image, options));
  }

  async #predict(image: GivenImage, options: PredictOptions): Promise<ImagePrediction> {
    const protocol = this.#models.resolve(options);
    const ensemble = this.#models.ensemble(protocol);
    const stored = { kind: 'encoded', bytes: await image.read() } as const;
    const scaled = await prepareForEvaluation(stored, image.name, ensemble.scales, {
      maxPixels: options.maxPixels,
      colorProfiles: protocol.colorProfiles,
      rounding: protocol.rounding,
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
