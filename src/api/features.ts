import { readFile } from 'node:fs/promises';
import { prefetch } from '../core/concurrency.ts';
import { messageOf, UsageError, UserError } from '../core/errors.ts';
import { type Layer, outputShape, parameterSpecs } from '../core/layer.ts';
import type { Shape4 } from '../core/shape.ts';
import { centerCrop, wholeImage, writeCrop } from '../data/pixels/crop.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { RgbImage } from '../data/sources/source.ts';
import { layersUpTo, type PositionPooling, poolPositions } from '../evaluate/feature-layers.ts';
import { scalesFor } from '../evaluate/scales.ts';
import type { Backend, Parameters, Program } from '../kernels/backend.ts';
import { openBackend } from '../kernels/registry.ts';
import type { Network } from '../net/network.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import type { ReadModelOptions } from '../weights/model/read-model.ts';
import type { EngineOptions } from './load-model.ts';
import { readInto } from './read-into.ts';

export interface FeatureOptions extends EngineOptions {
  readonly model: string;
  /** What the model's file does not say itself. */
  readonly read?: ReadModelOptions;
  /** Image files. */
  readonly images: readonly string[];
  /** `conv1_1` … `fc8`, each behind its ReLU; `pool1` … `pool5`. */
  readonly layer: string;
  /** `center` (default): the centre crop; `whole`: all of the image, which gives a larger map. */
  readonly view?: 'center' | 'whole';
  /** What becomes of the map's positions: kept (default), or their mean or maximum a channel. */
  readonly pool?: PositionPooling;
  /** Smaller side Q (default: what belongs to the training scale). */
  readonly scale?: number;
  /** Centre crops computed at once (default 16). */
  readonly batch?: number;
  readonly maxPixels?: number;
  readonly signal?: AbortSignal;
}

/** One image's activations. */
export interface ImageFeatures {
  readonly path: string;
  /** `[C, H, W]`, or `[C]` when pooled or where the map has one position. */
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/**
 * Activations of a layer, image after image, for another learner to use.
 * @throws UserError when the model has no such layer, or naming an image that cannot be used.
 */
export async function* extractFeatures(options: FeatureOptions): AsyncGenerator<ImageFeatures> {
  const backend = await openBackend(
    options.backend,
    options.threads === undefined ? {} : { threads: options.threads },
  );
  const layersOf = (network: Network) => layersUpTo(options.model, network, options.layer);
  const { facts, parameters } = await readInto(
    backend,
    options.model,
    { ...options.read, allowFeatures: true },
    (network) => parameterSpecs(layersOf(network)),
  );
  const extractor = new Extractor(backend, layersOf(facts.network), parameters);
  try {
    yield* run(extractor, facts, options);
  } finally {
    extractor.dispose();
    parameters.dispose();
  }
}

/** Runs a chain, compiled for the input's size. */
class Extractor {
  readonly #backend: Backend;
  readonly #layers: readonly Layer[];
  readonly #parameters: Parameters;
  /** Of the last size: images of one size come together often. */
  #program: Program | undefined;

  constructor(backend: Backend, layers: readonly Layer[], parameters: Parameters) {
    this.#backend = backend;
    this.#layers = layers;
    this.#parameters = parameters;
  }

  /** @throws RangeError when the input is too small. */
  outputShape(input: Shape4): Shape4 {
    return this.#layers.reduce((shape, layer) => outputShape(layer, shape), input);
  }

  async forward(input: Float32Array, shape: Shape4): Promise<{ output: Float32Array; shape: Shape4 }> {
    if (this.#program?.inputShape.join() !== shape.join()) {
      this.dispose();
      this.#program = await this.#backend.compile({
        layers: this.#layers,
        inputShape: shape,
        parameters: this.#parameters,
      });
    }
    return { output: await this.#program!.forward(input), shape: this.#program!.outputShape };
  }

  dispose(): void {
    this.#program?.dispose();
    this.#program = undefined;
  }
}

interface Prepared {
  readonly path: string;
  readonly image: RgbImage;
}

async function* run(
  extractor: Extractor,
  model: ModelFacts,
  options: FeatureOptions,
): AsyncGenerator<ImageFeatures> {
  const scale = options.scale ?? scalesFor(model, undefined, options.model)[0]!;
  const { view = 'center', batch = 16, signal } = options;
  if (view === 'center' && scale < model.network.crop) {
    throw new UsageError(
      `a crop of ${model.network.crop} does not fit into images of scale ${scale}; use a larger scale`,
    );
  }
  const prepared = prefetch(options.images, batch, async (path): Promise<Prepared> => {
    const [image] = await prepareForEvaluation({ kind: 'encoded', bytes: await read(path) }, path, [scale], {
      maxPixels: options.maxPixels,
    });
    return { path, image: image! };
  });
  let gathered: Prepared[] = [];
  for await (const one of prepared) {
    signal?.throwIfAborted();
    if (view === 'whole') {
      yield await wholeFeatures(extractor, model, one, options);
      continue;
    }
    gathered.push(one);
    if (gathered.length < batch) continue;
    yield* cropFeatures(extractor, model, gathered, batch, options);
    gathered = [];
  }
  if (gathered.length > 0) yield* cropFeatures(extractor, model, gathered, batch, options);
}

async function wholeFeatures(
  extractor: Extractor,
  model: ModelFacts,
  { path, image }: Prepared,
  options: FeatureOptions,
): Promise<ImageFeatures> {
  const shape: Shape4 = [1, 3, image.height, image.width];
  try {
    extractor.outputShape(shape);
  } catch (error) {
    throw new UserError(`${path}: ${messageOf(error)}; use a larger scale`, { cause: error });
  }
  const result = await extractor.forward(wholeImage(image, model.meanRgb), shape);
  return { path, ...poolPositions(result.output, result.shape, options.pool) };
}

async function* cropFeatures(
  extractor: Extractor,
  model: ModelFacts,
  images: readonly Prepared[],
  batch: number,
  options: FeatureOptions,
): AsyncGenerator<ImageFeatures> {
  const { crop } = model.network;
  const size = 3 * crop ** 2;
  const input = new Float32Array(images.length * size);
  for (const [i, { image }] of images.entries()) {
    writeCrop(image, centerCrop(image.width, image.height, crop), model.meanRgb, input, i * size);
  }
  const { output, shape } = await extractor.forward(input, [
    Math.min(batch, options.images.length),
    3,
    crop,
    crop,
  ]);
  const each = output.length / images.length;
  for (const [i, { path }] of images.entries()) {
    yield { path, ...poolPositions(output.slice(i * each, (i + 1) * each), shape, options.pool) };
  }
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UserError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
