/**
 * Descriptors of images (paper, appendix B): a layer's activations over the whole image at a scale Q, averaged over
 * positions and over the image and its mirror image. They are kept in the cache folder by the image's content, the
 * weights and the scale, so that another training, or an interrupted one, computes none twice.
 */
import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheSubfolder } from '../../core/cache.ts';
import { defaultConcurrency, prefetch } from '../../core/concurrency.ts';
import { messageOf, UserError } from '../../core/errors.ts';
import { parameterSpecs } from '../../core/layer.ts';
import { prepareForEvaluation } from '../../data/pixels/evaluation-images.ts';
import type { BadImage } from '../../data/sources/bad-images.ts';
import { contentHash } from '../../data/sources/content-hash.ts';
import type { ImageSource, RgbImage } from '../../data/sources/image-source.ts';
import type { LoadedModel } from '../inference/load-model.ts';
import { programBytesFor } from '../inference/program-cache.ts';
import { FeatureExtractor } from './feature-extractor.ts';
import { layersUpTo, poolPositions } from './feature-layers.ts';

/** Bytes of an image's hash in a file of descriptors. */
const HASH_BYTES = 16;
/** Descriptors that are written at a time. */
const AT_ONCE = 32;

export interface DescriptorOptions {
  readonly layer: string;
  /** Values of Q, in pixels. */
  readonly scales: readonly number[];
  readonly maxPixels?: number;
  /** Folder that keeps descriptors between runs (default: the user's cache folder). */
  readonly cacheFolder?: string;
  readonly signal?: AbortSignal;
  /** Called after each image. */
  onImage?(): void;
  /** Called with each image that cannot be used, which then has no descriptors (default: the first one is an error). */
  readonly onBad?: (image: BadImage) => void;
}

/**
 * The descriptors of all images of a source at each scale.
 * @returns `[images][scales][D]`; undefined for images that cannot be used
 * @throws UserError naming an image that cannot be used; the signal's reason when it is aborted.
 */
export async function describeImages(
  source: ImageSource,
  model: LoadedModel,
  options: DescriptorOptions,
): Promise<(Float32Array[] | undefined)[]> {
  const { layer, scales, maxPixels, signal, onImage } = options;
  const { colorProfiles, publishedTest } = model.facts;
  const stores = await openStores(model, options);
  const extractor = new FeatureExtractor(model, layer, programBytesFor(model.facts.network));
  const found: (Float32Array[] | undefined)[] = [];
  const leaveOut = (index: number, error: unknown) => {
    if (!options.onBad || !(error instanceof UserError)) throw error;
    options.onBad({ index, message: error.message });
    return undefined;
  };
  const prepare = async (index: number) => {
    const stored = await source.read(index);
    const hash = contentHash(stored);
    const name = source.imageName(index);
    const missing = scales.filter((_, i) => !stores[i]!.has(hash));
    const settings = { maxPixels, colorProfiles, rounding: publishedTest?.rounding };
    const images = missing.length > 0 ? await prepareForEvaluation(stored, name, missing, settings) : [];
    return { hash, name, images: new Map(missing.map((scale, i) => [scale, images[i]!])) };
  };
  const prepared = prefetch(new Uint32Array(source.length).keys(), defaultConcurrency, (index) =>
    prepare(index).catch((error: unknown) => leaveOut(index, error)),
  );
  const describeAll = async ({ hash, name, images }: Awaited<ReturnType<typeof prepare>>) => {
    const own: Float32Array[] = [];
    for (const [i, scale] of scales.entries()) {
      const kept = stores[i]!.get(hash);
      own.push(kept ?? (await stores[i]!.add(hash, await describe(extractor, images.get(scale)!, name))));
    }
    return own;
  };
  try {
    for await (const one of prepared) {
      signal?.throwIfAborted();
      const index = found.length;
      found.push(one && (await describeAll(one).catch((error: unknown) => leaveOut(index, error))));
      onImage?.();
    }
    return found;
  } finally {
    for (const store of stores) await store.flush();
    extractor.dispose();
  }
}

async function describe(extractor: FeatureExtractor, image: RgbImage, name: string): Promise<Float32Array> {
  try {
    const views = await extractor.run([image, image], 'whole', 2, [false, true]);
    const [straight, mirrored] = views.map(
      ({ values, shape }) => poolPositions(values, shape, 'mean').values,
    );
    return straight!.map((value, i) => (value + mirrored![i]!) / 2);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(`${name}: ${messageOf(error)}; use a larger scale`, { cause: error });
  }
}

/** A file of descriptors, each after the hash of its image. A last one that was not written whole is ignored. */
class DescriptorStore {
  readonly #path: string;
  readonly #known = new Map<string, Float32Array>();
  #pending: Uint8Array[] = [];

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(path: string, length: number): Promise<DescriptorStore> {
    const store = new DescriptorStore(path);
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    const each = HASH_BYTES + 4 * length;
    for (let at = 0; at + each <= bytes.length; at += each) {
      const values = new Float32Array(
        bytes.buffer.slice(bytes.byteOffset + at + HASH_BYTES, bytes.byteOffset + at + each),
      );
      store.#known.set(bytes.toString('hex', at, at + HASH_BYTES), values);
    }
    return store;
  }

  has(hash: string): boolean {
    return this.#known.has(hash);
  }

  get(hash: string): Float32Array | undefined {
    return this.#known.get(hash);
  }

  async add(hash: string, values: Float32Array): Promise<Float32Array> {
    this.#known.set(hash, values);
    this.#pending.push(
      Buffer.from(hash, 'hex'),
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
    if (this.#pending.length >= 2 * AT_ONCE) await this.flush();
    return values;
  }

  /** A cache that cannot be written only costs time. */
  async flush(): Promise<void> {
    const pending = Buffer.concat(this.#pending);
    this.#pending = [];
    if (pending.length > 0) await appendFile(this.#path, pending).catch(() => {});
  }
}

async function openStores(model: LoadedModel, options: DescriptorOptions): Promise<DescriptorStore[]> {
  const { network, meanRgb, colorProfiles, publishedTest } = model.facts;
  const layers = layersUpTo(model.path, network, options.layer);
  const hash = createHash('sha256').update(
    JSON.stringify([1, layers, meanRgb, colorProfiles, publishedTest?.rounding]),
  );
  for (const { name } of parameterSpecs(layers)) {
    const { buffer, byteOffset, byteLength } = await model.parameters.read('values', name);
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const key = hash.digest('hex').slice(0, 24);
  const length = layers.findLast((layer) => layer.kind === 'convolution')!.outChannels;
  const folder = await cacheSubfolder('descriptors', options.cacheFolder);
  return Promise.all(
    options.scales.map((scale) => DescriptorStore.open(join(folder, `${key}-${scale}.bin`), length)),
  );
}

/**
 * One vector of an image: its descriptors at several scales averaged or stacked, those of several models stacked.
 * @param models `[models][scales][D]`
 */
export function combineDescriptors(
  models: readonly (readonly Float32Array[])[],
  aggregate: 'average' | 'stack',
): Float32Array {
  const parts = models.flatMap((scales) => (aggregate === 'stack' ? scales : [meanOf(scales)]));
  const vector = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    vector.set(part, at);
    at += part.length;
  }
  return vector;
}

function meanOf(scales: readonly Float32Array[]): Float32Array {
  return scales[0]!.map((_, d) => scales.reduce((sum, one) => sum + one[d]!, 0) / scales.length);
}

/** The Euclidean length. */
export function normOf(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}
