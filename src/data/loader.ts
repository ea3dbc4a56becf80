/**
 * Training images ready for the network: decoded, rescaled, cropped, flipped, shifted, minus the mean.
 * Batches come in order while the next ones are prepared; what is in a batch depends on nothing but the
 * plan and the options.
 */
import { Augmentation, type AugmentationOptions } from './augment.ts';
import { defaultConcurrency, Limiter, prefetch } from './concurrency.ts';
import { type Rgb, writeCrop } from './crop.ts';
import { type DecodeOptions, decodeStored } from './decode.ts';
import { DecodedCache } from './decoded-cache.ts';
import { rescaleAtOnce, rescaleImage, rescalesAtOnce } from './rescale.ts';
import type { PlannedBatch } from './sampler.ts';
import type { ImageSource, RgbImage } from './source.ts';

export interface TrainingImagesOptions extends AugmentationOptions, DecodeOptions {
  /** The training set's mean RGB, 0–255. */
  readonly mean: Rgb;
  /** Images read and decoded at once. */
  readonly concurrency?: number | undefined;
  /** Batches prepared while one is used. */
  readonly ahead?: number | undefined;
  /** Decoded images kept in memory, in bytes; 0 keeps none. */
  readonly memory?: number | undefined;
}

/** A batch of N images. */
export interface ImageBatch {
  /** `[N, 3, crop, crop]`, RGB, 0–255 minus the mean. The consumer's to keep or change. */
  readonly input: Float32Array;
  /** `[N]`, class numbers. */
  readonly labels: Int32Array;
  /** `[N]`, numbers of the images in the source. */
  readonly images: Uint32Array;
  /** `[N]`, the epoch that each image belongs to. */
  readonly epochs: Uint32Array;
}

const GIBIBYTE = 2 ** 30;

export class TrainingImages {
  readonly source: ImageSource;
  readonly options: TrainingImagesOptions;
  readonly #augmentation: Augmentation;
  readonly #limiter: Limiter;
  readonly #cache: DecodedCache;

  /** @throws UserError when the crop does not fit the scale. */
  constructor(source: ImageSource, options: TrainingImagesOptions) {
    this.source = source;
    this.options = options;
    this.#augmentation = new Augmentation(options);
    this.#limiter = new Limiter(options.concurrency ?? defaultConcurrency);
    this.#cache = new DecodedCache(source.length, options.memory ?? GIBIBYTE);
  }

  /**
   * The planned batches, in order. The iterator fails with the UserError of the first image, in the plan's
   * order of batches, that cannot be read; ending it early stops everything under way.
   */
  loadBatches(plan: Iterable<PlannedBatch>): AsyncGenerator<ImageBatch, void, undefined> {
    return prefetch(plan, this.options.ahead ?? 2, (batch, signal) => this.#load(batch, signal));
  }

  async #load({ images, epochs }: PlannedBatch, signal: AbortSignal): Promise<ImageBatch> {
    // Other work of this process gets its turn between batches that need no waiting.
    await new Promise(setImmediate);
    const size = 3 * this.options.crop ** 2;
    const input = new Float32Array(images.length * size);
    const failures: unknown[] = [];
    const pending: Promise<void>[] = [];
    images.forEach((image, i) => {
      const write = (scaled: RgbImage) => this.#write(scaled, epochs[i]!, image, input, i * size);
      const scaled = this.#atOnce(epochs[i]!, image);
      if (scaled !== undefined) {
        write(scaled);
        return;
      }
      const task = this.#limiter.run(async () => {
        if (signal.aborted || failures.length > 0) return;
        write(await this.#scaled(epochs[i]!, image));
      });
      pending.push(task.catch((error: unknown) => void failures.push(error)));
    });
    await Promise.all(pending);
    if (failures.length > 0) throw failures[0];
    return { input, labels: Int32Array.from(images, (image) => this.source.label(image)), images, epochs };
  }

  /** The rescaled image, if that takes neither reading nor waiting. */
  #atOnce(epoch: number, image: number): RgbImage | undefined {
    const cached = this.#cache.get(image);
    if (cached === undefined) return undefined;
    const side = this.#augmentation.scale(epoch, image);
    return rescalesAtOnce(cached, side) ? rescaleAtOnce(cached, side) : undefined;
  }

  async #scaled(epoch: number, image: number): Promise<RgbImage> {
    const name = this.source.imageName(image);
    const side = this.#augmentation.scale(epoch, image);
    let decoded = this.#cache.get(image);
    if (decoded === undefined) {
      decoded = await decodeStored(await this.source.read(image), name, this.options);
      // With one scale the rescaled image is kept, so that rescaling happens once.
      if (this.#augmentation.fixedScale) {
        decoded = await rescaleImage(decoded, side, name, this.options.maxPixels);
      }
      this.#cache.add(image, decoded);
    }
    return rescaleImage(decoded, side, name, this.options.maxPixels);
  }

  #write(scaled: RgbImage, epoch: number, image: number, input: Float32Array, offset: number): void {
    const crop = this.#augmentation.crop(epoch, image, scaled.width, scaled.height);
    const shift = this.#augmentation.shift(epoch, image);
    const { mean } = this.options;
    const subtract: Rgb = [mean[0] - shift[0], mean[1] - shift[1], mean[2] - shift[2]];
    writeCrop(scaled, crop, subtract, input, offset);
  }
}
