/**
 * A model's validation images: a few as samples, and all of them to tell whether another image is like them.
 *
 * An image is unlike them if its features are farther from those of the nearest of them than 98 % of them are from their
 * own nearest neighbor, in one of two layers: the fourth pooling, averaged over positions, or the last hidden layer; both
 * for the center crop and scaled to length 1. That is the rule of Sun et al. (Out-of-Distribution Detection with Deep
 * Nearest Neighbors, 2022) with one neighbor. The last hidden layer knows what distinguishes the classes, and maps much
 * that is foreign to one of them; the fourth pooling also sees what the classes have in common. The rule knows nothing
 * about the classes, so an image may be like them and still be classified wrongly.
 */
import sharp from 'sharp';
import { UserError } from '../../core/errors.ts';
import { decodeStored } from '../../data/pixels/decode.ts';
import { rescaleImage } from '../../data/pixels/rescale.ts';
import type { ImageSource, RgbImage } from '../../data/sources/image-source.ts';

/** Validation images that are compared with, spread evenly over the classes. */
export const MOST_KNOWN = 400;
/** With fewer per class, an image of a known class may have no neighbor. */
const LEAST_PER_CLASS = 5;
/** The share of the known images that would count as unlike the others, in each layer. */
const UNLIKE_SHARE = 0.02;
const MOST_SAMPLES = 12;
/** Largest smaller side of a sample, in pixels. */
const SAMPLE_SIDE = 512;
const BATCH = 16;

export interface Sample {
  readonly name: string;
  /** Class number. */
  readonly label: number;
  readonly png: Buffer;
}

export interface FeatureModel {
  readonly classes: number;
  /** The image as the model wants it, from its stored form. */
  prepare(source: ImageSource, index: number): Promise<RgbImage>;
  /** The center crops' features in several layers. @returns for each layer and image a vector */
  features(images: readonly RgbImage[]): Promise<readonly (readonly Float32Array[])[]>;
}

interface Reference {
  readonly layers: readonly { readonly features: readonly Float32Array[]; readonly threshold: number }[];
  readonly labels: readonly number[];
}

export interface Comparison {
  /** Number of images that it was compared with. */
  readonly compared: number;
  readonly unlike: boolean;
  /** Distance to the nearest one as a multiple of the threshold, in the layer where that is largest. */
  readonly distance: number;
  /** Class number of the nearest image by the last layer. */
  readonly nearest: number;
}

export class KnownImages {
  readonly #open: () => Promise<ImageSource>;
  #numbers: Promise<{ source: ImageSource; numbers: readonly number[] }> | undefined;
  #samples: Promise<Sample[]> | undefined;
  #reference: Promise<Reference | undefined> | undefined;

  /** @param open opens the validation images, at least 400 if there are as many, in random order */
  constructor(open: () => Promise<ImageSource>) {
    this.#open = open;
  }

  /** Some of the images, of as many classes as possible; none if they cannot be opened. */
  samples(): Promise<Sample[]> {
    this.#samples ??= this.#encodeSamples().catch((error: unknown) => {
      if (error instanceof UserError) return [];
      throw error;
    });
    return this.#samples;
  }

  /** Compares an image; undefined if there are too few validation images. @param image as the model wants it */
  async compare(model: FeatureModel, image: RgbImage): Promise<Comparison | undefined> {
    this.#reference ??= this.#describeKnown(model).catch((error: unknown) => {
      if (error instanceof UserError) return undefined;
      this.#reference = undefined;
      throw error;
    });
    const reference = await this.#reference;
    if (!reference) return undefined;
    const { layers, labels } = reference;
    const own = await model.features([image]);
    const found = layers.map(({ features, threshold }, i) => {
      const { distance, place } = nearestTo(unitVector(own[i]![0]!), features);
      return { distance: distance / threshold, place };
    });
    const distance = Math.max(...found.map((one) => one.distance));
    const nearest = labels[found.at(-1)!.place]!;
    return { compared: labels.length, unlike: distance > 1, distance, nearest };
  }

  #opened() {
    this.#numbers ??= this.#open().then(
      (source) => ({ source, numbers: evenly(source) }),
      (error: unknown) => {
        this.#numbers = undefined;
        throw error;
      },
    );
    return this.#numbers;
  }

  async #encodeSamples(): Promise<Sample[]> {
    const { source, numbers } = await this.#opened();
    const samples: Sample[] = [];
    for (const number of numbers.slice(0, MOST_SAMPLES)) {
      const name = source.imageName(number);
      const image = await decodeStored(await source.read(number), name, { largestSide: SAMPLE_SIDE });
      const side = Math.min(SAMPLE_SIDE, image.width, image.height);
      const { width, height, pixels } = await rescaleImage(image, side, name);
      const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer();
      samples.push({ name: name.split(/[\\/]/).at(-1)!, label: source.label(number), png });
    }
    return samples;
  }

  async #describeKnown(model: FeatureModel): Promise<Reference | undefined> {
    const { source, numbers } = await this.#opened();
    if (numbers.length < LEAST_PER_CLASS * model.classes) return undefined;
    const layers: Float32Array[][] = [];
    for (let from = 0; from < numbers.length; from += BATCH) {
      const batch = numbers.slice(from, from + BATCH);
      const images = await Promise.all(batch.map((number) => model.prepare(source, number)));
      for (const [i, vectors] of (await model.features(images)).entries()) {
        layers[i] = [...(layers[i] ?? []), ...vectors.map(unitVector)];
      }
    }
    return {
      layers: layers.map((features) => ({ features, threshold: thresholdOf(features) })),
      labels: numbers.map((number) => source.label(number)),
    };
  }
}

/** Numbers of up to 400 images: the first of each class, then the second of each, and so on. */
function evenly(source: ImageSource): number[] {
  const byClass = new Map<number, number[]>();
  for (let i = 0; i < source.length; i++) {
    const label = source.label(i);
    if (label < 0) continue;
    const known = byClass.get(label) ?? [];
    known.push(i);
    byClass.set(label, known);
  }
  const classes = [...byClass].sort(([a], [b]) => a - b).map(([, numbers]) => numbers);
  const rounds = Math.max(0, ...classes.map(({ length }) => length));
  const numbers: number[] = [];
  for (let round = 0; round < rounds && numbers.length < MOST_KNOWN; round++) {
    numbers.push(...classes.flatMap((own) => own[round] ?? []));
  }
  return numbers.slice(0, MOST_KNOWN);
}

/** The distance to the nearest neighbor that few of the vectors exceed. */
function thresholdOf(features: readonly Float32Array[]): number {
  const distances = features.map((own, i) => nearestTo(own, features, i).distance).sort((a, b) => a - b);
  return Math.max(Number.EPSILON, distances[Math.ceil((1 - UNLIKE_SHARE) * distances.length) - 1]!);
}

function unitVector(values: Float32Array): Float32Array {
  const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return norm > 0 ? values.map((value) => value / norm) : values;
}

/** The nearest of some vectors of length 1, other than the one at `except`. */
function nearestTo(own: Float32Array, others: readonly Float32Array[], except = -1) {
  let [most, place] = [Number.NEGATIVE_INFINITY, 0];
  for (const [i, other] of others.entries()) {
    if (i === except) continue;
    let product = 0;
    for (let k = 0; k < own.length; k++) product += own[k]! * other[k]!;
    if (product > most) [most, place] = [product, i];
  }
  return { distance: Math.sqrt(Math.max(0, 2 - 2 * most)), place };
}
