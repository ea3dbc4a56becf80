/** A model on the visitor's GPU that says what is in an image, as `Classifier` does in Node. */
import type { UserError } from '../core/errors.ts';
import type { RgbImage } from '../data/sources/source.ts';
import { Ensemble } from '../evaluate/ensemble.ts';
import { ImageClassifier } from '../evaluate/image-classifier.ts';
import {
  type CropScores,
  cropScoresOf,
  type LabeledClass,
  type LabeledClassifier,
  type ScoreMap,
  scoreMapOf,
  withLabels,
} from '../evaluate/prediction-maps.ts';
import { flipsByDefault, type Protocol } from '../evaluate/protocol.ts';
import { type RequestedScales, resolveScales } from '../evaluate/scales.ts';
import { topClasses } from '../evaluate/softmax.ts';
import type { Parameters } from '../kernels/backend.ts';
import type { WebGpuBackend } from '../kernels/webgpu/webgpu-backend.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { deferredTensors, modelPieces } from '../weights/model/model.ts';
import { pixelsOf, rescaled, type WebImage } from './pixels.ts';

export interface PredictOptions {
  /** Default `dense`. */
  readonly protocol?: Protocol;
  /** Smaller sides Q, or the three that belong to the scales of training (default: the one that does). */
  readonly scales?: readonly number[] | 'auto';
  /** Whether mirror images count too (default: yes, except with `center`). */
  readonly flip?: boolean;
  /** How many classes to name (default 5). */
  readonly top?: number;
}

export interface Prediction {
  /** Best first. */
  readonly top: readonly LabeledClass[];
  /** `[classes]` */
  readonly posteriors: Float32Array;
}

/** Activations of a batch: a visitor's GPU has other pages to draw. */
const BATCH_BYTES = 256 * 2 ** 20;
const BATCH = 16;

export interface WebModelParts {
  readonly backend: WebGpuBackend;
  readonly facts: ModelFacts;
  readonly parameters: Parameters;
  /** What messages call the model. */
  readonly name: string;
  /** Gives back the device, where it was opened for this model alone. */
  readonly onClose?: () => void;
}

export class WebModel {
  readonly facts: ModelFacts;
  /** The GPU, for people. */
  readonly device: string;
  /** Why the model has stopped working, if that happens: the browser may take the GPU away at any time. */
  readonly lost: Promise<UserError>;
  readonly #name: string;
  readonly #parameters: Parameters;
  readonly #classifier: ImageClassifier;
  readonly #onClose: () => void;

  /** What the model is made of, it disposes of when it is closed. */
  constructor({ backend, facts, parameters, name, onClose = () => {} }: WebModelParts) {
    const { network, meanRgb } = facts;
    const { gpu } = backend;
    this.facts = facts;
    this.device = backend.description;
    this.lost = gpu.device.lost.then(() => gpu.lossError());
    this.#name = name;
    this.#parameters = parameters;
    this.#onClose = onClose;
    this.#classifier = new ImageClassifier({
      backend,
      network,
      parameters,
      meanRgb,
      batch: BATCH,
      batchBytes: Math.min(BATCH_BYTES, gpu.limits.bindingBytes),
    });
  }

  /**
   * Classifies an image.
   * @throws UserError when a scale does not fit the network, or the GPU is lost.
   */
  async predict(image: WebImage, options: PredictOptions = {}): Promise<Prediction> {
    const { protocol = 'dense', flip = flipsByDefault(protocol), top = 5 } = options;
    const { labels } = this.facts;
    const scales = this.#scales(options.scales, protocol);
    const ensemble = new Ensemble([{ classifier: this.#classifier, scales }], { protocol, flip });
    const pixels = pixelsOf(image);
    const classified = ensemble.classify(ensemble.scales.map((scale) => rescaled(pixels, scale)));
    ensemble.flush();
    const { posteriors } = await classified;
    return { top: withLabels(topClasses(posteriors, top), labels), posteriors };
  }

  /**
   * Where in an image dense evaluation sees classes.
   * @param scale smaller side Q (default: what belongs to the scales of training)
   * @param wanted numbers of classes, or how many of the most probable ones
   * @throws UserError as `predict` does.
   */
  async scoreMap(image: WebImage, wanted: readonly number[] | number = 5, scale?: number): Promise<ScoreMap> {
    const map = scoreMapOf(this.#viewer, this.#scaled(image, 'dense', scale), wanted);
    this.#viewer.classifier.flush();
    return map;
  }

  /** What each crop of the 5×5 grid alone says, followed by its mirror image. @throws UserError as `predict` does. */
  async crops(image: WebImage, scale?: number): Promise<CropScores> {
    const crops = cropScoresOf(this.#viewer, this.#scaled(image, 'crops', scale), true);
    this.#viewer.classifier.flush();
    return crops;
  }

  /**
   * The model as a file of our own format, which `openModel` and the command line read.
   * @throws UserError when the GPU is lost.
   */
  async file(): Promise<Blob> {
    const tensors = deferredTensors(this.facts.network, (name) => this.#parameters.read('values', name));
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const piece of modelPieces(this.#name, this.facts, tensors).pieces) {
      parts.push(piece as Uint8Array<ArrayBuffer>);
    }
    return new Blob(parts, { type: 'application/octet-stream' });
  }

  /** Frees the GPU's memory. */
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
    return rescaled(pixelsOf(image), side!);
  }
}
