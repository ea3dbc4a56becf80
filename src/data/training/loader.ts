/**
 * Prepares training images for the network: decoded, rescaled, cropped, flipped, shifted, minus the mean. Yields batches
 * in order while the next ones are being prepared. A batch's content depends only on the plan and the options.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import { BOX_VALUES, boxTarget, largestBox, scaledBox } from '../../core/boxes.ts';
import { defaultConcurrency, prefetch } from '../../core/concurrency.ts';
import { UserError } from '../../core/errors.ts';
import { EventLoopTurn } from '../../core/event-loop-turn.ts';
import type { Rgb } from '../../core/shape.ts';
import { type Crop, writeCrop } from '../pixels/crop.ts';
import { type DecodeOptions, decodeStored } from '../pixels/decode.ts';
import { DecodedCache } from '../pixels/decoded-images.ts';
import type { Size, Window } from '../pixels/resample.ts';
import {
  checkedSize,
  isQuick,
  isSameSize,
  resampleLater,
  resampleNow,
  rescaleImage,
} from '../pixels/rescale.ts';
import type { BadImage } from '../sources/bad-images.ts';
import type { ImageSource, RgbImage } from '../sources/image-source.ts';
import { Augmentation, type AugmentationOptions } from './augment.ts';
import type { PlannedBatch } from './sampler.ts';

export interface TrainingImagesOptions extends AugmentationOptions, DecodeOptions {
  /** The training set's mean RGB, 0–255. */
  readonly mean: Rgb;
  /** Images read and decoded at once (default: the number of CPU cores + 2). */
  readonly concurrency?: number;
  /** Batches prepared ahead while one is used (default: 2). */
  readonly ahead?: number;
  /** Memory for decoded images in bytes (default: 1 GiB); 0 keeps none. */
  readonly memory?: number;
  /** Numbers of images that were lost in an earlier session of the run (default: none). */
  readonly lost?: Iterable<number>;
}

/** A batch of N images. */
export interface ImageBatch {
  /** `[N, 3, crop, crop]`, RGB, 0–255 minus the mean. The consumer may keep or change it. */
  readonly input: Float32Array;
  /** `[N]`, class numbers. */
  readonly labels: Int32Array;
  /** `[N, 4]`, the boxes of the images' objects as a network should state them, if the source has boxes. */
  readonly targets?: Float32Array;
  /** `[N]`, numbers of the images in the source; in the place of a lost image, the one that follows it. */
  readonly images: Uint32Array;
  /** `[N]`, the epoch that each image belongs to. */
  readonly epochs: Uint32Array;
  /** Images that turned out to be unreadable for this batch (default: none). */
  readonly lost?: readonly BadImage[];
}

/** Where one image goes in a batch. */
interface Slot {
  image: number;
  readonly epoch: number;
  readonly input: Float32Array;
  readonly offset: number;
  /** The image's part of the batch's targets. */
  readonly target?: Float32Array;
}

const GIBIBYTE = 2 ** 30;

export class TrainingImages {
  readonly source: ImageSource;
  readonly options: TrainingImagesOptions;
  readonly #augmentation: Augmentation;
  readonly #limit: LimitFunction;
  readonly #cache: DecodedCache;
  readonly #lost: Set<number>;

  /** @throws UserError when the crop does not fit the scale. */
  constructor(source: ImageSource, options: TrainingImagesOptions) {
    this.source = source;
    this.options = options;
    this.#augmentation = new Augmentation(options);
    this.#limit = pLimit(options.concurrency ?? defaultConcurrency);
    this.#cache = new DecodedCache(source.length, options.memory ?? GIBIBYTE);
    this.#lost = new Set(options.lost);
  }

  /**
   * Yields the planned batches, in order. An image that cannot be read is lost for good: the next readable image of the
   * source takes its places, so that batches and epochs keep their length. Ending the iterator early stops all work.
   * @throws UserError when no image is left
   */
  loadBatches(plan: Iterable<PlannedBatch>): AsyncGenerator<ImageBatch, void, undefined> {
    return prefetch(plan, this.options.ahead ?? 2, (batch, signal) => this.#load(batch, signal));
  }

  /** See `TrainingData`. */
  fixedView(epoch: number, image: number): 0 | 1 | undefined {
    return this.#augmentation.fixedView(epoch, image);
  }

  async #load({ images, epochs }: PlannedBatch, signal: AbortSignal): Promise<ImageBatch> {
    const size = 3 * this.options.crop ** 2;
    const input = new Float32Array(images.length * size);
    const targets = this.source.boxes && new Float32Array(images.length * BOX_VALUES);
    const failures: unknown[] = [];
    const pending: Promise<void>[] = [];
    const turn = new EventLoopTurn();
    const used = images.slice();
    const lost: BadImage[] = [];
    for (const [i, image] of images.entries()) {
      const target = targets?.subarray(i * BOX_VALUES, (i + 1) * BOX_VALUES);
      const slot: Slot = { image: this.#standIn(image), epoch: epochs[i]!, input, offset: i * size, target };
      await turn.yieldIfDue();
      try {
        used[i] = slot.image;
        if (this.#writeFromMemory(slot)) continue;
      } catch (error) {
        failures.push(error);
        break;
      }
      const task = this.#limit(async () => {
        if (!signal.aborted && failures.length === 0) await this.#readOrReplace(slot, lost);
        used[i] = slot.image;
      });
      pending.push(task.catch((error: unknown) => void failures.push(error)));
    }
    await Promise.all(pending);
    if (failures.length > 0) throw failures[0];
    return {
      input,
      labels: Int32Array.from(used, (image) => this.source.label(image)),
      targets,
      images: used,
      epochs,
      lost,
    };
  }

  /** The image itself or, if it is lost, the next one that is not. */
  #standIn(image: number): number {
    let candidate = image;
    while (this.#lost.has(candidate)) {
      candidate = (candidate + 1) % this.source.length;
      if (candidate === image) throw new UserError(`${this.source.location} has no readable image left`);
    }
    return candidate;
  }

  async #readOrReplace(slot: Slot, lost: BadImage[]): Promise<void> {
    for (;;) {
      try {
        return await this.#read(slot);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        if (!this.#lost.has(slot.image)) {
          this.#lost.add(slot.image);
          lost.push({ index: slot.image, message: error.message });
        }
        slot.image = this.#standIn(slot.image);
      }
    }
  }

  /** Fills a slot from memory, if it needs no waiting. */
  #writeFromMemory(slot: Slot): boolean {
    const cached = this.#cache.get(slot.image);
    return cached !== undefined && this.#writeNow(cached, slot);
  }

  async #read(slot: Slot): Promise<void> {
    const name = this.source.imageName(slot.image);
    const side = this.#augmentation.scale(slot.epoch, slot.image);
    let image = this.#cache.get(slot.image);
    if (image === undefined) {
      image = await decodeStored(await this.source.read(slot.image), name, {
        ...this.options,
        largestSide: this.options.scale.max,
      });
      // With a single scale, the rescaled image is kept, so that it is rescaled only once.
      if (this.#augmentation.fixedScale && this.#cache.open) {
        const { original = { width: image.width, height: image.height } } = image;
        image = { ...(await rescaleImage(image, side, name, this.options.maxPixels)), original };
      }
      this.#cache.add(slot.image, image);
    }
    if (this.#writeNow(image, slot)) return;
    const { size, crop, window } = this.#placeIn(image, slot);
    this.#writeTarget(image, size, crop, slot);
    this.#writeWindow(await resampleLater(image, size, window), crop, slot);
  }

  /** Writes the crop of an image, if that is faster than using another thread. */
  #writeNow(image: RgbImage, slot: Slot): boolean {
    const { size, crop, window } = this.#placeIn(image, slot);
    if (isSameSize(image, size)) this.#writeCrop(image, crop, slot);
    else if (isQuick(image, window)) this.#writeWindow(resampleNow(image, size, window), crop, slot);
    else return false;
    this.#writeTarget(image, size, crop, slot);
    return true;
  }

  /** Of several objects of the image's class, the largest counts. */
  #writeTarget(image: RgbImage, size: Size, crop: Crop, { image: index, target }: Slot): void {
    if (!target) return;
    const stored = image.original ?? image;
    const box = largestBox(this.source.boxes!(index, stored));
    target.set(boxTarget(scaledBox(box, size.width / stored.width, size.height / stored.height), crop));
  }

  /** The size that an image is rescaled to, and its crop: only the pixels of the crop are computed. */
  #placeIn(image: RgbImage, slot: Slot): { size: Size; crop: Crop; window: Window } {
    const side = this.#augmentation.scale(slot.epoch, slot.image);
    const size = checkedSize(image, side, this.source.imageName(slot.image), this.options.maxPixels);
    const crop = this.#augmentation.crop(slot.epoch, slot.image, size.width, size.height);
    const window = { left: crop.left, top: crop.top, width: crop.size, height: crop.size };
    return { size, crop, window };
  }

  #writeWindow(pixels: RgbImage, crop: Crop, slot: Slot): void {
    this.#writeCrop(pixels, { ...crop, left: 0, top: 0 }, slot);
  }

  #writeCrop(pixels: RgbImage, crop: Crop, { image, epoch, input, offset }: Slot): void {
    const shift = this.#augmentation.shift(epoch, image);
    const { mean } = this.options;
    const subtract: Rgb = [mean[0] - shift[0], mean[1] - shift[1], mean[2] - shift[2]];
    writeCrop(pixels, crop, subtract, input, offset);
  }
}
