import type { Box } from '../core/boxes.ts';
import { mapConcurrently } from '../core/concurrency.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import { type GivenImage, givenImage, type ImageInput } from '../data/sources/given/image-input.ts';
import type { EngineOptions } from '../evaluate/inference/load-model.ts';
import { LoadedEnsemble } from '../evaluate/inference/open-ensemble.ts';
import { locateClasses, scalesOf } from '../evaluate/localize/dense-boxes.ts';
import { type OpenLocalizers, openLocalizers } from '../evaluate/localize/open-localizers.ts';
import { type LabeledClass, withLabels } from '../evaluate/protocol/prediction-maps.ts';
import type { ProtocolOptions } from '../evaluate/protocol/protocol.ts';
import { topClasses } from '../evaluate/protocol/softmax.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';

/** A predicted class. */
export type Prediction = LabeledClass & {
  /** Where its object is, in pixels of the image as stored, if the classifier has localization models. */
  readonly box?: Box;
};

export interface ClassifierOptions extends EngineOptions {
  /** Localization models that add boxes to predictions (appendix A; default: none). */
  readonly localizers?: readonly string[];
}

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
  readonly #localizers: OpenLocalizers | undefined;

  private constructor(models: LoadedEnsemble, localizers: OpenLocalizers | undefined) {
    this.#models = models;
    this.#localizers = localizers;
  }

  /**
   * Loads the model.
   * @param path a model (a file, or a name such as `torchvision/vgg16`), or several whose posteriors are averaged
   * @throws UserError when a file is not a model, the models have different classes, or the backend is missing.
   */
  static async open(
    path: string | readonly string[],
    { localizers = [], ...options }: ClassifierOptions = {},
  ): Promise<Classifier> {
    const models = await LoadedEnsemble.open(typeof path === 'string' ? [path] : path, options);
    if (localizers.length === 0) return new Classifier(models, undefined);
    try {
      const { first, networks } = models;
      return new Classifier(models, await openLocalizers(localizers, first, networks, options));
    } catch (error) {
      models.close();
      throw error;
    }
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
    const boxScales = this.#localizers ? scalesOf(this.#localizers) : [];
    const scales = [...new Set([...ensemble.scales, ...boxScales])];
    const prepared = await prepareForEvaluation(stored, image.name, scales, {
      maxPixels: options.maxPixels,
      colorProfiles: protocol.colorProfiles,
      rounding: protocol.rounding,
    });
    const at = (wanted: readonly number[]) => wanted.map((scale) => prepared[scales.indexOf(scale)]!);
    const classified = ensemble.classify(at(ensemble.scales));
    ensemble.flush();
    const { posteriors } = await classified;
    const ranked = topClasses(posteriors, options.top ?? 5);
    const top = withLabels(ranked, this.model.labels);
    if (!this.#localizers) return { top, posteriors };
    const located = locateClasses(this.#localizers, at(boxScales), ranked);
    for (const { classifier } of [...this.#localizers.localizers, ...this.#localizers.classifiers]) {
      classifier.flush();
    }
    const boxes = await located;
    return { top: top.map((one, i) => ({ ...one, box: boxes[i]!.box })), posteriors };
  }

  /** Frees the weights. */
  close(): void {
    this.#localizers?.close();
    this.#models.close();
  }
}
