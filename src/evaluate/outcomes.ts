/** What became of every image of an evaluation, in tens of bytes each. */
import { rankOfLabel } from '../core/classification.ts';
import type { Team } from '../core/team.ts';
import { type RankedClass, topClasses } from './softmax.ts';

/** The classes that are kept of an image. */
export const TOP = 5;

export interface Outcome {
  /** Number of the image in its source. */
  readonly image: number;
  /** The model's number of the true class; −1 where it is not known. */
  readonly label: number;
  /** How many classes scored at least as high as the true one: 0 is a top-1 hit; −1 without a label. */
  readonly rank: number;
  /** −ln(posterior of the true class); 0 without a label. */
  readonly loss: number;
  /** The five most probable classes, or all where there are fewer, best first. */
  readonly top: readonly RankedClass[];
}

/** Makes the outcomes of each the outcomes of all. */
export async function shareOutcomes(team: Team, outcomes: Outcomes): Promise<void> {
  if (team.size === 1) return;
  for (const others of await team.gather([...outcomes])) {
    // In JSON a NaN is null.
    for (const outcome of others) outcomes.set({ ...outcome, loss: outcome.loss ?? Number.NaN });
  }
}

/** @param label the model's number of the true class, or −1 */
export function outcomeOf(image: number, label: number, posteriors: Float32Array): Outcome {
  return {
    image,
    label,
    rank: label < 0 ? -1 : rankOfLabel(posteriors, label),
    loss: label < 0 ? 0 : lossOf(posteriors[label]!),
    top: topClasses(posteriors, TOP),
  };
}

/** A posterior that rounds to 0 in float32 counts as the smallest number there is, so that one image cannot make the mean infinite. */
function lossOf(posterior: number): number {
  // Minus zero would print as such.
  return Math.abs(Math.log(Math.max(posterior, 2 ** -149)));
}

export class Outcomes implements Iterable<Outcome> {
  readonly length: number;
  readonly #top: number;
  readonly #labels: Int32Array;
  /** −2: not there yet. */
  readonly #ranks: Int32Array;
  readonly #losses: Float64Array;
  /** `[images, top]` */
  readonly #indices: Int32Array;
  readonly #probabilities: Float32Array;
  #done = 0;

  /** @param length images in all */
  constructor(length: number, classes: number) {
    this.length = length;
    this.#top = Math.min(TOP, classes);
    this.#labels = new Int32Array(length);
    this.#ranks = new Int32Array(length).fill(-2);
    this.#losses = new Float64Array(length);
    this.#indices = new Int32Array(length * this.#top);
    this.#probabilities = new Float32Array(length * this.#top);
  }

  /** Images that have an outcome. */
  get done(): number {
    return this.#done;
  }

  has(image: number): boolean {
    return this.#ranks[image]! > -2;
  }

  set({ image, label, rank, loss, top }: Outcome): void {
    if (!this.has(image)) this.#done++;
    this.#labels[image] = label;
    this.#ranks[image] = rank;
    this.#losses[image] = loss;
    for (let i = 0; i < this.#top; i++) {
      this.#indices[image * this.#top + i] = top[i]!.index;
      this.#probabilities[image * this.#top + i] = top[i]!.probability;
    }
  }

  get(image: number): Outcome {
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

  /** Those that are there, in the images' order. */
  *[Symbol.iterator](): Generator<Outcome, void, undefined> {
    for (let image = 0; image < this.length; image++) if (this.has(image)) yield this.get(image);
  }
}
