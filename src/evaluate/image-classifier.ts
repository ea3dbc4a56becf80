/** One network looking at one image: by a protocol, at several scales. */
import { shapesAlong } from '../core/layer.ts';
import type { Rgb } from '../core/shape.ts';
import { writeCrop, writeWholeImage } from '../data/pixels/crop.ts';
import type { RgbImage } from '../data/sources/source.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import type { Network } from '../net/network.ts';
import { largestLayerBytes } from '../plan/activation-memory.ts';
import { type Batcher, type BatchItem, BatchQueue, type BatchWork, type ItemShape } from './batching.ts';
import { centerCrops, gridCrops } from './crops.ts';
import { averageOverPositions } from './dense.ts';
import { ProgramCache } from './program-cache.ts';
import { flipsByDefault, type Look, looksOf, type Protocol } from './protocol.ts';
import { meanOf, softmax } from './softmax.ts';

export interface BatchingLimits {
  /** Crops or images computed at once, at most (default 64). */
  readonly batch?: number;
  /** Activations of one batch, about (default 512 MiB). A single image may take more. */
  readonly batchBytes?: number;
  /** Compiled programs that are kept (default 2 GiB). */
  readonly programBytes?: number;
  /** What gathers the batches (default: a BatchQueue). */
  readonly queue?: (work: BatchWork) => Batcher;
}

export interface ClassifierParts extends BatchingLimits {
  readonly backend: Backend;
  readonly network: Network;
  readonly parameters: Parameters;
  /** 0–255, subtracted from every pixel. */
  readonly meanRgb: Rgb;
}

export interface LookingOptions {
  readonly protocol: Protocol;
  /** Whether mirror images count too (default: yes, except with `center`). */
  readonly flip?: boolean;
  /** Of whoever has lost interest, where the queue can let images go. */
  readonly signal?: AbortSignal;
}

/** What one look at one scale gave, mirror images and crops averaged. */
export interface Posteriors {
  readonly look: Look;
  /** The smaller side Q. */
  readonly scale: number;
  /** `[classes]` */
  readonly values: Float64Array;
}

const MEBIBYTE = 2 ** 20;

export class ImageClassifier {
  readonly network: Network;
  readonly #mean: Rgb;
  readonly #programs: ProgramCache;
  readonly #queue: Batcher;

  constructor(parts: ClassifierParts) {
    const { backend, network, parameters, meanRgb } = parts;
    const { batch = 64, batchBytes = 512 * MEBIBYTE, programBytes = 2048 * MEBIBYTE } = parts;
    const { queue = (work) => new BatchQueue(work) } = parts;
    const { layers } = network;
    this.network = network;
    this.#mean = meanRgb;
    this.#programs = new ProgramCache({ backend, layers, parameters, memoryBytes: programBytes });
    this.#queue = queue({
      run: (shape, input) => this.#programs.run(shape, input),
      largest: (shape) => Math.min(batch, batchBytes / largestLayerBytes(layers, [1, ...shape])),
    });
  }

  /**
   * Looks at an image.
   * @param scaled the image at each scale
   * @returns posteriors by look and scale, when their batches are computed: call `flush` when no image follows
   */
  classify(scaled: readonly RgbImage[], options: LookingOptions): Promise<Posteriors[]> {
    return Promise.all(
      this.#looks(scaled, options).map(async ({ look, image, items }) => {
        const outputs = await this.#submit(items, options.signal);
        const posteriors = outputs.map((scores) =>
          softmax(averageOverPositions(scores, this.network.classes)),
        );
        return { look, scale: Math.min(image.width, image.height), values: meanOf(posteriors) };
      }),
    );
  }

  /**
   * The class scores of each view of an image, as the network gives them.
   * @param image at its scale
   * @param flip whether each view is followed by its mirror image
   * @returns `[classes, rows, columns]` of the whole image, or `[classes]` of each crop in the order of `gridCrops`
   */
  scores(look: Look, image: RgbImage, flip: boolean, signal?: AbortSignal): Promise<Float32Array[]> {
    return this.#submit(this.#itemsOf(look, image, flip), signal);
  }

  /** Rows and columns of the map of scores that an image gives. */
  mapSize({ width, height }: RgbImage): [rows: number, columns: number] {
    const [, , rows, columns] = shapesAlong(this.network.layers, [1, 3, height, width]).at(-1)!;
    return [rows, columns];
  }

  /** Takes an image's place among others without looking at it: see `BatchQueue.accompany`. */
  accompany(scaled: readonly RgbImage[], options: LookingOptions): void {
    for (const { items } of this.#looks(scaled, options))
      for (const item of new Set(items)) this.#queue.accompany(item);
  }

  /** Computes what has been given without waiting for more. */
  flush(): void {
    this.#queue.flush();
  }

  /** Frees the programs; images that are not done fail with `error`. */
  close(error: unknown = new Error('the classifier was closed')): void {
    this.#queue.close(error);
    this.#programs.dispose();
  }

  #looks(scaled: readonly RgbImage[], { protocol, flip = flipsByDefault(protocol) }: LookingOptions) {
    return scaled.flatMap((image) =>
      looksOf(protocol).map((look) => ({ look, image, items: this.#itemsOf(look, image, flip) })),
    );
  }

  /** What the network gives for each item; one that stands there several times is looked at once. */
  #submit(items: readonly BatchItem[], signal: AbortSignal | undefined): Promise<Float32Array[]> {
    const outputs = new Map<BatchItem, Promise<Float32Array>>();
    for (const item of new Set(items)) outputs.set(item, this.#queue.submit(item, signal));
    return Promise.all(items.map((item) => outputs.get(item)!));
  }

  /** Crops in the same place are the same item: where an image is hardly larger than a crop, many are. */
  #itemsOf(look: Look, image: RgbImage, flip: boolean): BatchItem[] {
    const { crop } = this.network;
    switch (look) {
      case 'dense':
        return (flip ? [false, true] : [false]).map((mirrored) => ({
          shape: [3, image.height, image.width],
          write: (input, offset) => writeWholeImage(image, mirrored, this.#mean, input, offset),
        }));
      case 'crops':
      case 'center': {
        const shape: ItemShape = [3, crop, crop];
        const crops = look === 'crops' ? gridCrops(image, crop, flip) : centerCrops(image, crop, flip);
        const items = new Map<string, BatchItem>();
        return crops.map((one) => {
          const place = `${one.left},${one.top},${one.flip}`;
          const item: BatchItem = items.get(place) ?? {
            shape,
            write: (input, offset) => writeCrop(image, one, this.#mean, input, offset),
          };
          items.set(place, item);
          return item;
        });
      }
    }
  }
}
