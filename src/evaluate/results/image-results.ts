/** The results of an evaluation, stored in tens of bytes for each image. */
import { rankOfLabel } from '../../core/classification.ts';
import type { Team } from '../../core/process-team.ts';
import { type RankedClass, topClasses } from '../protocol/softmax.ts';

/** Number of most probable classes that are stored for each image. */
const TOP = 5;

/** The result of one image. */
export interface ImageResult {
  /** Number of the image in its source, from 0. */
  readonly image: number;
  /** The model's number of the true class; −1 without a label. */
  readonly label: number;
  /** Number of other classes that are at least as probable as the true one: 0 is a top-1 hit; −1 without a label. */
  readonly rank: number;
  /** −ln(posterior of the true class), in nats; 0 without a label. */
  readonly loss: number;
  /** The five most probable classes, or all if there are fewer, best first. */
  readonly top: readonly RankedClass[];
}

/** Gives each rank the results of all ranks. */
export async function gatherResults(team: Team, results: ImageResults): Promise<void> {
  if (team.size === 1) return;
  for (const others of await team.gather([...results])) {
    // JSON turns NaN into null.
    for (const result of others) results.set({ ...result, loss: result.loss ?? Number.NaN });
  }
}

/** @param label the model's number of the true class, or −1 */
export function imageResultOf(image: number, label: number, posteriors: Float32Array): ImageResult {
  return {
    image,
    label,
    rank: label < 0 ? -1 : rankOfLabel(posteriors, label),
    loss: label < 0 ? 0 : lossOf(posteriors[label]!),
    top: topClasses(posteriors, TOP),
  };
}

/** A posterior that rounds to 0 in float32 counts as the smallest float32, so that one image cannot make the mean infinite. */
function lossOf(posterior: number): number {
  // −0 would be printed with its sign.
  return Math.abs(Math.log(Math.max(posterior, 2 ** -149)));
}

/**
 * The results of an evaluation's images. Iterating gives an `ImageResult` for each finished image, in the source's
 * order.
 * @example
 * for (const { image, rank } of results) if (rank >= 1) console.log(`image ${image} is misclassified`);
 */
export class ImageResults implements Iterable<ImageResult> {
  /** Number of images, finished or not. */
  readonly length: number;
  readonly #top: number;
  readonly #labels: Int32Array;
  /** −2: not finished. */
  readonly #ranks: Int32Array;
  readonly #losses: Float64Array;
  /** `[images, top]` */
  readonly #indices: Int32Array;
  readonly #probabilities: Float32Array;
  #done = 0;

  /** @param length number of images */
  constructor(length: number, classes: number) {
    this.length = length;
    this.#top = Math.min(TOP, classes);
    this.#labels = new Int32Array(length);
    this.#ranks = new Int32Array(length).fill(-2);
    this.#losses = new Float64Array(length);
    this.#indices = new Int32Array(length * this.#top);
    this.#probabilities = new Float32Array(length * this.#top);
  }

  /** Number of finished images. */
  get done(): number {
    return this.#done;
  }

  /** Whether an image is finished. */
  has(image: number): boolean {
    return this.#ranks[image]! > -2;
  }

  set({ image, label, rank, loss, top }: ImageResult): void {
    if (!this.has(image)) this.#done++;
    this.#labels[image] = label;
    this.#ranks[image] = rank;
    this.#losses[image] = loss;
    for (let i = 0; i < this.#top; i++) {
      this.#indices[image * this.#top + i] = top[i]!.index;
      this.#probabilities[image * this.#top + i] = top[i]!.probability;
    }
  }

  get(image: number): ImageResult {
    return {
      image,
      label: this.#labels[image]!,
      rank: this.#ranks[image]!,
      loss: this.#losses[image]!,
      top: Array.from({ length: this.#top }, (_, i) => ({
        index: this.#indices[image * this.#top + i]!,
        probability: this.#probabilities[image * this.#top + i]!,
      })),
    };
  }

  *[Symbol.iterator](): Generator<ImageResult, void, undefined> {
    for (let image = 0; image < this.length; image++) if (this.has(image)) yield this.get(image);
  }
}
