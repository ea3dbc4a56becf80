/** A model that answers requests. */
import { messageOf, UserError } from '../../core/errors.ts';
import { type Layer, shapesAlong } from '../../core/layer.ts';
import type { Rgb, Shape4 } from '../../core/shape.ts';
import { centerCrop, wholeImage, writeCrop } from '../../data/pixels/crop.ts';
import type { RgbImage } from '../../data/sources/source.ts';
import { layersUpTo } from '../../evaluate/feature-layers.ts';
import { ImageClassifier } from '../../evaluate/image-classifier.ts';
import { ProgramCache } from '../../evaluate/program-cache.ts';
import type { Protocol } from '../../evaluate/protocol.ts';
import { checkScale, type ScalesWanted, scalesFor } from '../../evaluate/scales.ts';
import type { Backend, Parameters } from '../../kernels/backend.ts';
import type { ModelFacts } from '../../weights/model/metadata.ts';
import { RequestError } from '../errors.ts';
import { LiveQueue } from '../live-queue.ts';

export interface ModelParts {
  /** What requests call it. */
  readonly name: string;
  readonly facts: ModelFacts;
  readonly backend: Backend;
  /** Who opened the model disposes of them, after `close`. */
  readonly parameters: Parameters;
  /** SHA-256 of the model file. */
  readonly checksum: string;
}

export interface BatchSettings {
  /** Images computed at once, at most (default 64). */
  readonly batch?: number;
  readonly waitMilliseconds?: number;
  readonly onBatch?: (model: string, images: number, seconds: number) => void;
}

/** A layer's activations. */
export interface Activations {
  readonly shape: Shape4;
  /** `[C, H, W]` */
  readonly values: Float32Array;
}

const MEBIBYTE = 2 ** 20;
/** Activations of a batch: enough for eight images of 224 pixels in the widest layers. */
const BATCH_BYTES = 256 * MEBIBYTE;
/** Chains up to a layer whose programs are kept, and what each may keep. */
const LAYERS_KEPT = 4;
const LAYER_BYTES = 256 * MEBIBYTE;

export class ServedModel {
  readonly name: string;
  readonly facts: ModelFacts;
  readonly checksum: string;
  readonly classifier: ImageClassifier;
  readonly #parts: ModelParts;
  #queue: LiveQueue | undefined;
  /** By layer, the least recently used first. */
  readonly #chains = new Map<string, ProgramCache>();

  constructor(parts: ModelParts, { batch = 64, waitMilliseconds, onBatch }: BatchSettings = {}) {
    const { name, facts, backend, parameters, checksum } = parts;
    this.name = name;
    this.facts = facts;
    this.checksum = checksum;
    this.#parts = parts;
    this.classifier = new ImageClassifier({
      backend,
      network: facts.network,
      parameters,
      meanRgb: facts.meanRgb,
      batch,
      batchBytes: BATCH_BYTES,
      queue: (work) => {
        this.#queue = new LiveQueue({
          ...work,
          waitMilliseconds,
          onBatch: (images, seconds) => onBatch?.(name, images, seconds),
        });
        return this.#queue;
      },
    });
  }

  /** Images, mirror images and crops that wait for their batch. */
  get waiting(): number {
    return this.#queue?.waiting ?? 0;
  }

  /** Resolves once there is use for more images. */
  async hungry(): Promise<void> {
    await this.#queue?.hungry();
  }

  /** @throws RequestError when the scales are not known, or too small. */
  scales(wanted: ScalesWanted, protocol: Protocol): number[] {
    return asked(() => {
      const scales = scalesFor(this.facts, wanted, this.name);
      for (const scale of scales) checkScale(this.facts.network, protocol, scale, this.name);
      return scales;
    });
  }

  /**
   * @param view the centre crop, or all of the image
   * @throws RequestError when there is no such layer, or the image is too small for it.
   */
  async activations(layer: string, image: RgbImage, view: 'center' | 'whole'): Promise<Activations> {
    const chain = asked(() => layersUpTo(this.name, this.facts.network, layer));
    const { shape, input } = inputOf(image, view, this.facts.network.crop, this.facts.meanRgb);
    const outputShape = asked(() => shapesAlong(chain, shape).at(-1)!);
    return { shape: outputShape, values: await this.#programsOf(layer, chain).run(shape, input) };
  }

  /** A copy of a layer's weights `[out, in, k, k]`. */
  weights(layer: string): Promise<Float32Array> {
    return this.parameter(`${layer}.weight`);
  }

  /** A copy of one tensor, by its canonical name. */
  parameter(name: string): Promise<Float32Array> {
    return this.#parts.parameters.read('values', name);
  }

  /** Frees the programs; images that are not done fail. */
  close(): void {
    this.classifier.close(new RequestError('busy', 'The server is being shut down.', { retryAfter: 5 }));
    for (const programs of this.#chains.values()) programs.dispose();
  }

  #programsOf(layer: string, layers: readonly Layer[]): ProgramCache {
    const { backend, parameters } = this.#parts;
    const programs =
      this.#chains.get(layer) ?? new ProgramCache({ backend, layers, parameters, memoryBytes: LAYER_BYTES });
    this.#chains.delete(layer);
    this.#chains.set(layer, programs);
    const [oldest] = this.#chains;
    if (this.#chains.size > LAYERS_KEPT && oldest) {
      this.#chains.delete(oldest[0]);
      oldest[1].dispose();
    }
    return programs;
  }
}

function inputOf(
  image: RgbImage,
  view: 'center' | 'whole',
  crop: number,
  mean: Rgb,
): { shape: Shape4; input: Float32Array } {
  if (view === 'whole') {
    return { shape: [1, 3, image.height, image.width], input: wholeImage(image, mean) };
  }
  const input = new Float32Array(3 * crop ** 2);
  writeCrop(image, centerCrop(image.width, image.height, crop), mean, input, 0);
  return { shape: [1, 3, crop, crop], input };
}

/** What a request asks for, and what cannot be is the request's fault. */
function asked<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UserError || error instanceof RangeError) {
      throw new RequestError('bad_request', `${messageOf(error)}.`, { cause: error });
    }
    throw error;
  }
}
