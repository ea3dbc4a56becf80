/** A model on the visitor's GPU that says what is in an image, as `Classifier` does in Node. */
import type { UserError } from '../core/errors.ts';
import { Ensemble } from '../evaluate/ensemble.ts';
import { ImageClassifier } from '../evaluate/image-classifier.ts';
import { flipsByDefault, type Protocol } from '../evaluate/protocol.ts';
import { checkScale, scalesFor } from '../evaluate/scales.ts';
import { type RankedClass, topClasses } from '../evaluate/softmax.ts';
import type { Parameters } from '../kernels/backend.ts';
import type { WebGpuBackend } from '../kernels/webgpu/webgpu-backend.ts';
import type { ModelFacts } from '../weights/model-metadata.ts';
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
  readonly top: readonly (RankedClass & { readonly label: string })[];
  /** `[classes]` */
  readonly posteriors: Float32Array;
}

/** Activations of a batch: a visitor's GPU has other pages to draw. */
const BATCH_BYTES = 256 * 2 ** 20;
const BATCH = 16;

export class WebModel {
  readonly facts: ModelFacts;
  /** The GPU, for people. */
  readonly device: string;
  /** Why the model has stopped working, if that happens: the browser may take the GPU away at any time. */
  readonly lost: Promise<UserError>;
  readonly #name: string;
  readonly #parameters: Parameters;
  readonly #classifier: ImageClassifier;

  /** @param parameters which the model disposes of when it is closed */
  constructor(backend: WebGpuBackend, facts: ModelFacts, parameters: Parameters, name: string) {
    const { network, meanRgb } = facts;
    const { gpu } = backend;
    this.facts = facts;
    this.device = backend.description;
    this.lost = gpu.device.lost.then(() => gpu.lossError());
    this.#name = name;
    this.#parameters = parameters;
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
    const { network, labels } = this.facts;
    const scales = scalesFor(this.facts, options.scales, this.#name);
    for (const scale of scales) checkScale(network, protocol, scale, this.#name);
    const ensemble = new Ensemble([{ classifier: this.#classifier, scales }], { protocol, flip });
    const pixels = pixelsOf(image);
    const judged = ensemble.judge(ensemble.scales.map((scale) => rescaled(pixels, scale)));
    ensemble.flush();
    const { posteriors } = await judged;
    const ranked = topClasses(posteriors, top);
    return { top: ranked.map((one) => ({ ...one, label: labels[one.index]! })), posteriors };
  }

  /** Frees the GPU's memory. */
  close(): void {
    this.#classifier.close();
    this.#parameters.dispose();
  }
}
