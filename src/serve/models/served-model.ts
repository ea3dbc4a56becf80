/** A model that answers the server's requests. */
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import { messageOf, UserError } from '../../core/errors.ts';
import type { ImageSource, RgbImage } from '../../data/sources/image-source.ts';
import {
  type Activations,
  FeatureExtractor,
  type FeatureView,
} from '../../evaluate/features/feature-extractor.ts';
import { type PositionPooling, poolPositions } from '../../evaluate/features/feature-layers.ts';
import { ImageClassifier } from '../../evaluate/inference/image-classifier.ts';
import type { LoadedModel } from '../../evaluate/inference/load-model.ts';
import type { ClassMap } from '../../evaluate/protocol/class-map.ts';
import { gradCamOf } from '../../evaluate/protocol/grad-cam.ts';
import type { Protocol } from '../../evaluate/protocol/protocol.ts';
import { type RequestedScales, resolveScales } from '../../evaluate/protocol/test-scales.ts';
import { DynamicBatcher, type DynamicBatcherOptions } from '../dynamic-batcher.ts';
import type { Preparation } from '../image-decoder.ts';
import { RequestError, shuttingDown } from '../request-errors.ts';
import { KnownImages } from './known-images.ts';

/** A loaded model with its name. Without `dispose`, whoever loaded it disposes of its parameters, after `close`. */
export interface NamedModel extends Omit<LoadedModel, 'path'> {
  /** The value of the query parameter `model`. */
  readonly name: string;
  /** SHA-256 of the model file. */
  readonly checksum: string;
  /** Path of the run that it is a model of, if it is one. */
  readonly run?: string;
  /** Path of its file, by which a model of a run is found again. */
  readonly file?: string;
  /** Frees the parameters; called by `close`. */
  dispose?(): void;
}

export interface BatchingOptions extends Pick<DynamicBatcherOptions, 'waitMilliseconds'> {
  /** Maximum number of images in a batch (default 64). */
  readonly batch?: number;
}

/** Called after each batch. */
type BatchListener = (model: string, images: number, seconds: number) => void;

/** Bytes of the activations of a batch: enough for eight images of 224 pixels in the widest layers. */
const BATCH_BYTES = 256 * 2 ** 20;
/** Layers whose compiled programs are cached, and the bytes of the programs of each. */
const CACHED_LAYERS = 4;
const LAYER_BYTES = 256 * 2 ** 20;

export class ServedModel {
  readonly name: string;
  readonly facts: LoadedModel['facts'];
  readonly checksum: string;
  readonly run: string | undefined;
  readonly file: string | undefined;
  /** The validation images, if it is the model of a run. */
  readonly known: KnownImages | undefined;
  readonly classifier: ImageClassifier;
  readonly #model: LoadedModel;
  readonly #dispose: () => void;
  /** Each backward pass takes the memory of the model's largest tensor. */
  readonly #oneGradient = pLimit(1);
  #batcher: DynamicBatcher | undefined;
  readonly #extractors = new LRUCache<string, FeatureExtractor>({
    max: CACHED_LAYERS,
    dispose: (extractor) => extractor.dispose(),
  });

  constructor(
    model: NamedModel,
    { batch, waitMilliseconds }: BatchingOptions = {},
    onBatch?: BatchListener,
    openImages?: (run: string) => Promise<ImageSource>,
  ) {
    const { name, facts, backend, parameters, checksum, run, file } = model;
    this.name = name;
    this.facts = facts;
    this.checksum = checksum;
    this.run = run;
    this.file = file;
    this.known = run !== undefined && openImages ? new KnownImages(() => openImages(run)) : undefined;
    this.#dispose = () => model.dispose?.();
    this.#model = { path: name, facts, backend, parameters };
    this.classifier = new ImageClassifier({
      backend,
      network: facts.network,
      parameters,
      meanRgb: facts.meanRgb,
      publishedTest: facts.publishedTest,
      batch,
      batchBytes: BATCH_BYTES,
      batcher: (runner) => {
        this.#batcher = new DynamicBatcher({
          ...runner,
          waitMilliseconds,
          onBatch: (images, seconds) => onBatch?.(name, images, seconds),
        });
        return this.#batcher;
      },
    });
  }

  /** Images, mirror images and crops that wait for their batch. */
  get waiting(): number {
    return this.#batcher?.waiting ?? 0;
  }

  /** Resolves once the model needs more images. */
  async untilReady(): Promise<void> {
    await this.#batcher?.untilReady();
  }

  /** @throws RequestError when the scales are unknown, or too small. */
  scales(requested: RequestedScales, protocol: Protocol): number[] {
    return checked(() => resolveScales(this.facts, requested, protocol, this.name));
  }

  /** How images are prepared for the model. */
  preparation(scales: readonly number[]): Preparation {
    const { colorProfiles, publishedTest } = this.facts;
    return { scales, colorProfiles, rounding: publishedTest?.rounding };
  }

  /** @throws RequestError when there is no such layer, or the image is too small for it. */
  async activations(layer: string, image: RgbImage, view: FeatureView): Promise<Activations> {
    const extractor = this.#extractor(layer);
    checked(() => extractor.outputShape(image, view));
    const [activations] = await extractor.run([image], view);
    return activations!;
  }

  /**
   * Where the evidence for a class is.
   * @param signal aborted when nobody needs the map any more; it is not computed unless it has begun
   * @throws RequestError when the image is too small.
   */
  gradCam(image: RgbImage, index: number | undefined, signal: AbortSignal): Promise<ClassMap> {
    return this.#oneGradient(() => {
      signal.throwIfAborted();
      return gradCamOf(this.#model, image, index);
    });
  }

  /** A layer's outputs for the center crops, as one vector for each image. */
  async features(layer: string, images: readonly RgbImage[], pool: PositionPooling): Promise<Float32Array[]> {
    const outputs = await this.#extractor(layer).run(images, 'center');
    return outputs.map(({ shape, values }) => poolPositions(values, shape, pool).values);
  }

  #extractor(layer: string): FeatureExtractor {
    const extractor =
      this.#extractors.get(layer) ?? checked(() => new FeatureExtractor(this.#model, layer, LAYER_BYTES));
    this.#extractors.set(layer, extractor);
    return extractor;
  }

  /** A copy of one tensor, by its canonical name such as `conv1_1.weight`. */
  parameter(name: string): Promise<Float32Array> {
    return this.#model.parameters.read('values', name);
  }

  /** Frees the programs. Images that are not done fail. */
  close(): void {
    this.classifier.close(shuttingDown());
    this.#extractors.clear();
    this.#dispose();
  }
}

/** Runs a function whose errors are due to the request. */
export function checked<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof UserError) && !(error instanceof RangeError)) throw error;
    throw new RequestError('bad_request', `${messageOf(error)}.`, { cause: error });
  }
}
