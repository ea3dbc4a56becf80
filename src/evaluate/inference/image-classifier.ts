/** Applies one network to images by a protocol, at several scales. */

import type { PublishedTest, Rounding } from '../../core/image-preparation.ts';
import { shapesAlong } from '../../core/layer.ts';
import type { Rgb } from '../../core/shape.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import type { Backend, Parameters } from '../../kernels/backend.ts';
import type { Network } from '../../net/network.ts';
import { largestLayerBytes } from '../../plan/activation-memory.ts';
import { protocolInputs } from '../protocol/dense-and-crop-inputs.ts';
import { averageOverPositions, denseWindow } from '../protocol/dense-score-map.ts';
import { flipsByDefault, type Protocol, type SingleProtocol, singleProtocols } from '../protocol/protocol.ts';
import { meanOf, softmax } from '../protocol/softmax.ts';
import { type Batcher, type BatchItem, type BatchRunner, DeterministicBatcher } from './batcher.ts';
import { ProgramCache, programBytesFor } from './program-cache.ts';

export interface BatchingLimits {
  /** Maximum number of crops or images in a batch (default 64). */
  readonly batch?: number;
  /**
   * Approximate bytes of the activations of one batch (default: half of `programBytes`, at most 512 MiB). A single
   * image may take more.
   */
  readonly batchBytes?: number;
  /** Bytes of compiled programs that are cached (default: see `programBytesFor`). */
  readonly programBytes?: number;
  /** Makes the batcher (default: a DeterministicBatcher). */
  readonly batcher?: (runner: BatchRunner) => Batcher;
}

interface ImageClassifierOptions extends BatchingLimits {
  readonly backend: Backend;
  readonly network: Network;
  readonly parameters: Parameters;
  /** Mean RGB, 0–255, subtracted from every pixel. */
  readonly meanRgb: Rgb;
  /** How the published weights' makers test them; its rounding applies to the center crop. */
  readonly publishedTest?: PublishedTest;
}

export interface ClassifyOptions {
  readonly protocol: Protocol;
  /** Whether mirror images are averaged in (default: true, except with `center`). */
  readonly flip?: boolean;
  /** Aborted when the caller no longer needs the result; only the server's batcher then drops the image. */
  readonly signal?: AbortSignal;
}

/** Posteriors by one protocol at one scale, averaged over mirror images and crops. */
export interface ScalePosteriors {
  readonly protocol: SingleProtocol;
  /** The smaller side Q in pixels. */
  readonly scale: number;
  /** `[classes]` */
  readonly values: Float64Array;
}

const MEBIBYTE = 2 ** 20;

export class ImageClassifier {
  readonly network: Network;
  readonly #mean: Rgb;
  readonly #rounding: Rounding | undefined;
  readonly #programs: ProgramCache;
  readonly #batcher: Batcher;

  constructor(options: ImageClassifierOptions) {
    const { backend, network, parameters, meanRgb } = options;
    const { batch = 64, programBytes = programBytesFor(network) } = options;
    const { batchBytes = Math.min(512 * MEBIBYTE, programBytes / 2) } = options;
    const { batcher = (runner) => new DeterministicBatcher(runner) } = options;
    const { layers } = network;
    this.network = network;
    this.#mean = meanRgb;
    this.#rounding = options.publishedTest?.rounding;
    this.#programs = new ProgramCache({ backend, layers, parameters, memoryBytes: programBytes });
    this.#batcher = batcher({
      run: (shape, input) => this.#programs.run(shape, input),
      // One batch on each device, and one is written meanwhile.
      concurrency: (backend.devices ?? 1) + 1,
      maxSize: (shape) => Math.min(batch, batchBytes / largestLayerBytes(layers, [1, ...shape])),
    });
  }

  /**
   * Classifies an image.
   * @param scaled the image at each scale
   * @returns posteriors by scale and protocol, once their batches are computed; call `flush` if no image follows
   */
  classify(scaled: readonly RgbImage[], options: ClassifyOptions): Promise<ScalePosteriors[]> {
    return Promise.all(
      this.#inputsOf(scaled, options).map(async ({ protocol, image, items }) => {
        const outputs = await this.#submit(items, options.signal);
        const posteriors = outputs.map((scores) =>
          softmax(averageOverPositions(scores, this.network.classes)),
        );
        return { protocol, scale: Math.min(image.width, image.height), values: meanOf(posteriors) };
      }),
    );
  }

  /**
   * The class scores that the network gives for an image.
   * @param image already rescaled
   * @param flip whether the image, or each crop, is followed by its mirror image
   * @returns `[classes, rows, columns]` of the image, or `[classes]` of each crop in the order of `gridCrops`
   */
  scores(
    protocol: SingleProtocol,
    image: RgbImage,
    flip: boolean,
    signal?: AbortSignal,
  ): Promise<Float32Array[]> {
    return this.#submit(this.#itemsOf(protocol, image, flip), signal);
  }

  /** Rows and columns of an image's score map, and where the window of the first position starts, in pixels. */
  mapGrid(image: RgbImage): Record<'rows' | 'columns' | 'left' | 'top', number> {
    const { layers } = this.network;
    const { left, top, width, height } = denseWindow(layers, image);
    const [, , rows, columns] = shapesAlong(layers, [1, 3, height, width]).at(-1)!;
    return { rows, columns, left, top };
  }

  /** Fills an image's places in its batches without classifying it, see `Batcher.addFiller`. */
  addFiller(scaled: readonly RgbImage[], options: ClassifyOptions): void {
    for (const { items } of this.#inputsOf(scaled, options)) {
      for (const item of new Set(items)) this.#batcher.addFiller(item);
    }
  }

  /** Computes the batches that are not full. */
  flush(): void {
    this.#batcher.flush();
  }

  /** Frees the programs. Images that are not done fail with `error`. */
  close(error: unknown = new Error('the classifier was closed')): void {
    this.#batcher.close(error);
    this.#programs.dispose();
  }

  #inputsOf(scaled: readonly RgbImage[], { protocol, flip = flipsByDefault(protocol) }: ClassifyOptions) {
    return scaled.flatMap((image) =>
      singleProtocols(protocol).map((single) => ({
        protocol: single,
        image,
        items: this.#itemsOf(single, image, flip),
      })),
    );
  }

  /** The network's output for each item. An item that is listed several times is computed once. */
  #submit(items: readonly BatchItem[], signal: AbortSignal | undefined): Promise<Float32Array[]> {
    const outputs = new Map<BatchItem, Promise<Float32Array>>();
    for (const item of new Set(items)) outputs.set(item, this.#batcher.submit(item, signal));
    return Promise.all(items.map((item) => outputs.get(item)!));
  }

  #itemsOf(protocol: SingleProtocol, image: RgbImage, flip: boolean): BatchItem[] {
    return protocolInputs(protocol, image, {
      network: this.network,
      mean: this.#mean,
      flip,
      rounding: this.#rounding,
    });
  }
}
