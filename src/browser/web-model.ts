/** A model on the visitor's GPU, the counterpart of `Classifier` in Node. */
import type { UserError } from '../core/errors.ts';
import type { RgbImage } from '../data/sources/image-source.ts';
import { Ensemble } from '../evaluate/inference/ensemble.ts';
import { ImageClassifier } from '../evaluate/inference/image-classifier.ts';
import type { ClassMap } from '../evaluate/protocol/class-map.ts';
import { gradCamOf } from '../evaluate/protocol/grad-cam.ts';
import { occlusionMapOf } from '../evaluate/protocol/occlusion-map.ts';
import {
  type CropScores,
  cropScoresOf,
  type LabeledClass,
  type LabeledClassifier,
  type ScoreMap,
  scoreMapOf,
  withLabels,
} from '../evaluate/protocol/prediction-maps.ts';
import { flipsByDefault, type Protocol } from '../evaluate/protocol/protocol.ts';
import { topClasses } from '../evaluate/protocol/softmax.ts';
import { type RequestedScales, resolveScales } from '../evaluate/protocol/test-scales.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { deferredTensors, modelPieces } from '../weights/model/model.ts';
import type { OpenDevice, WebBackendName } from './open-device.ts';
import { pixelsOf, rescaled, type WebImage } from './pixels.ts';

export interface PredictOptions {
  /** The parts of the image to evaluate (default: `dense`, the whole image). */
  readonly protocol?: Protocol;
  /** Smaller sides Q in pixels; `auto`: the three that match the training scales (default: the single one that does). */
  readonly scales?: readonly number[] | 'auto';
  /** Whether to average with the mirror images (default: true, except with `center`). */
  readonly flip?: boolean;
  /** Number of classes in `top` (default: 5). */
  readonly top?: number;
}

export interface Prediction {
  /** The most probable classes, best first. */
  readonly top: readonly LabeledClass[];
  /** Probabilities `[classes]`, in label order; they sum to 1. */
  readonly posteriors: Float32Array;
}

const BATCH = 16;

export interface WebModelParts {
  readonly device: OpenDevice;
  readonly facts: ModelFacts;
  readonly parameters: Parameters;
  /** The model's name in error messages. */
  readonly name: string;
  /** Releases the device if it was opened for this model alone. */
  readonly onClose?: () => void;
}

/** A model on the visitor's GPU or CPU, from `openModel` or `trainModel`. Call `close` to free its memory. */
export class WebModel {
  /** The network, classes, labels, mean color, and provenance. */
  readonly facts: ModelFacts;
  /** Human-readable description of what computes: the GPU, or the kernels on the CPU. */
  readonly device: string;
  /** Whether the model runs on the visitor's GPU (`webgpu`) or CPU (`wasm`). */
  readonly backend: WebBackendName;
  /**
   * Resolves when the GPU is lost, which may happen at any time in a browser, or the CPU's worker ends; the model then no
   * longer works.
   */
  readonly lost: Promise<UserError>;
  readonly #name: string;
  readonly #backend: Backend;
  readonly #parameters: Parameters;
  readonly #classifier: ImageClassifier;
  readonly #onClose: () => void;

  /** @hidden The model owns `parameters`, and disposes of them when it is closed. */
  constructor({ device, facts, parameters, name, onClose = () => {} }: WebModelParts) {
    const { network, meanRgb } = facts;
    this.facts = facts;
    this.device = device.backend.description;
    this.backend = device.name;
    this.lost = device.lost;
    this.#name = name;
    this.#backend = device.backend;
    this.#parameters = parameters;
    this.#onClose = onClose;
    this.#classifier = new ImageClassifier({
      backend: device.backend,
      network,
      parameters,
      meanRgb,
      publishedTest: facts.publishedTest,
      batch: BATCH,
      ...device.limits,
    });
  }

  /**
   * Classifies an image.
   * @throws UserError when a scale does not fit the network, or the device is lost
   * @example
   * const { top } = await model.predict(await createImageBitmap(file), { protocol: 'center', top: 3 });
   * for (const { label, probability } of top) console.log(label, probability);
   */
  async predict(image: WebImage, options: PredictOptions = {}): Promise<Prediction> {
    const { publishedTest } = this.facts;
    const usual = options.scales === undefined && publishedTest ? publishedTest.protocol : 'dense';
    const { protocol = usual, flip = flipsByDefault(protocol), top = 5 } = options;
    const { labels } = this.facts;
    const scales = this.#scales(options.scales, protocol);
    const ensemble = new Ensemble([{ classifier: this.#classifier, scales }], { protocol, flip });
    const pixels = pixelsOf(image);
    const classified = ensemble.classify(
      ensemble.scales.map((scale) => rescaled(pixels, scale, publishedTest?.rounding)),
    );
    ensemble.flush();
    const { posteriors } = await classified;
    return { top: withLabels(topClasses(posteriors, top), labels), posteriors };
  }

  /**
   * Computes maps of class probabilities over an image, by dense evaluation.
   * @param wanted class indices, or a number of most probable classes (default: 5)
   * @param scale smaller side Q in pixels (default: the one that matches the training scale)
   * @throws UserError when the scale does not fit the network, or the device is lost
   * @example
   * const { rows, columns, classes } = await model.scoreMap(canvas, 1, 384);
   * const { label, map } = classes[0];
   * console.log(label, Math.max(...map)); // map: rows × columns
   */
  async scoreMap(image: WebImage, wanted: readonly number[] | number = 5, scale?: number): Promise<ScoreMap> {
    const map = scoreMapOf(this.#viewer, this.#scaled(image, 'dense', scale), wanted);
    this.#viewer.classifier.flush();
    return map;
  }

  /**
   * Predicts from each crop of the 5×5 grid alone; each prediction is followed by that of the crop's mirror image.
   * @param scale smaller side Q in pixels (default: the one that matches the training scale)
   * @throws UserError when the scale does not fit the network, or the device is lost
   * @example
   * const { crops } = await model.crops(canvas);
   * console.log(crops[0].x, crops[0].y, crops[0].top[0].label);
   */
  async crops(image: WebImage, scale?: number): Promise<CropScores> {
    const crops = cropScoresOf(this.#viewer, this.#scaled(image, 'crops', scale), true);
    this.#viewer.classifier.flush();
    return crops;
  }

  /**
   * Shows which parts of an image speak for a class, by Grad-CAM on the last convolution.
   * @param index class index (default: the most probable class)
   * @param scale smaller side Q in pixels (default: the one that matches the training scale)
   * @throws UserError when the scale does not fit the network, or the GPU is lost
   * @example
   * const { class: shown, rows, columns, map } = await model.gradCam(canvas);
   * console.log(shown.label, rows, columns, Math.max(...map)); // map: rows × columns
   */
  async gradCam(image: WebImage, index?: number, scale?: number): Promise<ClassMap> {
    const model = { backend: this.#backend, parameters: this.#parameters, facts: this.facts };
    return gradCamOf(model, this.#scaled(image, 'dense', scale), index);
  }

  /**
   * Shows how the probability of a class changes when a square of the mean color hides one part of the image after
   * another (Zeiler & Fergus, 2014).
   * @param index class index (default: the most probable class)
   * @param scale smaller side Q in pixels (default: the one that matches the training scale)
   * @throws UserError when the scale does not fit the network, or the GPU is lost
   * @example
   * const { class: shown, map } = await model.occlusionMap(canvas);
   * console.log(shown.probability - Math.min(...map)); // the largest drop
   */
  async occlusionMap(image: WebImage, index?: number, scale?: number): Promise<ClassMap> {
    return occlusionMapOf(
      { classifier: this.#classifier, facts: this.facts },
      this.#scaled(image, 'dense', scale),
      { class: index },
    );
  }

  /**
   * Returns the model as a file for `openModel` and the command line.
   * @throws UserError when the device is lost
   * @example
   * const link = Object.assign(document.createElement('a'), {
   *   href: URL.createObjectURL(await model.file()),
   *   download: 'model.safetensors',
   * });
   * link.click();
   */
  async file(): Promise<Blob> {
    const tensors = deferredTensors(this.facts.network, (name) => this.#parameters.read('values', name));
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of modelPieces(this.#name, this.facts, tensors).pieces) {
      parts.push(piece as Uint8Array<ArrayBuffer>);
    }
    return new Blob(parts, { type: 'application/octet-stream' });
  }

  /** Frees the model's memory; the model can no longer be used. */
  close(): void {
    this.#classifier.close();
    this.#parameters.dispose();
    this.#onClose();
  }

  get #viewer(): LabeledClassifier {
    return { classifier: this.#classifier, facts: this.facts };
  }

  #scales(requested: RequestedScales, protocol: Protocol): number[] {
    return resolveScales(this.facts, requested, protocol, this.#name);
  }

  #scaled(image: WebImage, protocol: Protocol, scale: number | undefined): RgbImage {
    const [side] = this.#scales(scale === undefined ? undefined : [scale], protocol);
    return rescaled(pixelsOf(image), side!, this.facts.publishedTest?.rounding);
  }
}
