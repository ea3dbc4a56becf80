/** Labeled images in the page's memory, and the training crops taken from them. */
import { UserError } from '../core/errors.ts';
import { EventLoopTurn } from '../core/event-loop-turn.ts';
import type { TrainScale } from '../core/scale.ts';
import type { Rgb } from '../core/shape.ts';
import { writeCrop } from '../data/pixels/crop.ts';
import { resample, rescaledSize } from '../data/pixels/resample.ts';
import type { RgbImage } from '../data/sources/image-source.ts';
import { Augmentation, type AugmentationOptions } from '../data/training/augment.ts';
import type { ImageBatch } from '../data/training/loader.ts';
import type { PlannedBatch } from '../data/training/sampler.ts';
import type { TrainingData } from '../train/trainer-hooks.ts';
import { pixelsOf, rescaled, type WebImage } from './pixels.ts';

/** An image and its class. */
export interface LabeledImage {
  /** A bitmap, a canvas or pixels. */
  readonly image: WebImage;
  /** Identifier of the class, such as its folder's name. */
  readonly label: string;
}

/** Images in any order. They are read one after another, and only once. */
export type LabeledImages = Iterable<LabeledImage> | AsyncIterable<LabeledImage>;

/** Decoded images at the size that training needs, and their classes. */
export interface DecodedImages {
  readonly images: readonly RgbImage[];
  readonly labels: readonly string[];
}

/** Browsers are likely to close a page that needs more memory than this. */
const MOST_BYTES = 1.5 * 2 ** 30;
/** With several scales, images are kept at up to this many times the largest scale. */
const SPARE_DETAIL = 2;

/**
 * Reads images one after another and keeps each at the size that training needs: with a single scale, at that scale.
 * The source may close a bitmap when the next image is requested.
 * @throws UserError when the images need too much memory
 */
export async function keepImages(source: LabeledImages, scale: TrainScale): Promise<DecodedImages> {
  const images: RgbImage[] = [];
  const labels: string[] = [];
  const turn = new EventLoopTurn();
  let bytes = 0;
  for await (const { image, label } of source) {
    await turn.yieldIfDue();
    const kept = shrunk(pixelsOf(image), scale);
    bytes += kept.pixels.length;
    if (bytes > MOST_BYTES) {
      throw new UserError(
        `${images.length} images fill the 1.5 GiB of memory that a page may use: use fewer images or a smaller scale`,
      );
    }
    images.push(kept);
    labels.push(label);
  }
  return { images, labels };
}

function shrunk(image: RgbImage, { min, max }: TrainScale): RgbImage {
  if (min === max) return rescaled(image, min);
  const side = SPARE_DETAIL * max;
  return Math.min(image.width, image.height) > side ? rescaled(image, side) : image;
}

/** The trainer's source of batches, with the same crops, flips and color shifts as the loader's in Node. */
export class MemoryImages implements TrainingData {
  readonly count: number;
  readonly #images: readonly RgbImage[];
  readonly #labels: Int32Array;
  readonly #mean: Rgb;
  readonly #augmentation: Augmentation;

  /** @param labels `[images]`, class indices @throws UserError when the crop does not fit the scale */
  constructor(images: readonly RgbImage[], labels: Int32Array, mean: Rgb, options: AugmentationOptions) {
    this.count = images.length;
    this.#images = images;
    this.#labels = labels;
    this.#mean = mean;
    this.#augmentation = new Augmentation(options);
  }

  async *loadBatches(plan: Iterable<PlannedBatch>): AsyncGenerator<ImageBatch, void, undefined> {
    for (const { images, epochs } of plan) {
      const size = 3 * this.#augmentation.options.crop ** 2;
      const input = new Float32Array(images.length * size);
      images.forEach((image, i) => {
        this.#write(image, epochs[i]!, input, i * size);
      });
      yield { input, labels: Int32Array.from(images, (image) => this.#labels[image]!), images, epochs };
    }
  }

  fixedView(epoch: number, image: number): 0 | 1 | undefined {
    return this.#augmentation.fixedView(epoch, image);
  }

  #write(number: number, epoch: number, input: Float32Array, offset: number): void {
    const image = this.#images[number]!;
    const side = this.#augmentation.scale(epoch, number);
    const { width, height } = rescaledSize(image.width, image.height, side);
    const crop = this.#augmentation.crop(epoch, number, width, height);
    const shift = this.#augmentation.shift(epoch, number);
    const subtract = this.#mean.map((value, c) => value - shift[c]!) as unknown as Rgb;
    if (width === image.width && height === image.height) {
      writeCrop(image, crop, subtract, input, offset);
      return;
    }
    const window = { left: crop.left, top: crop.top, width: crop.size, height: crop.size };
    const part = resample(image, width, height, window);
    writeCrop(part, { ...crop, left: 0, top: 0 }, subtract, input, offset);
  }
}
