/** One or several networks judging images together. */
import type { RgbImage } from '../data/sources/source.ts';
import { reorder } from './fusion.ts';
import type { ImageClassifier, LookingOptions, Posteriors } from './image-classifier.ts';
import { meanOf } from './softmax.ts';

export interface Member {
  readonly classifier: ImageClassifier;
  /** Values of Q. */
  readonly scales: readonly number[];
  /** For each class of the first member its number here; undefined: the same order. */
  readonly numbers?: Int32Array;
}

/** What one member saw, classes in the first member's order. */
export interface Part extends Posteriors {
  /** Number of the member. */
  readonly model: number;
}

export interface Judgement {
  /** `[classes]`: each member's mean over looks and scales, averaged over the members. */
  readonly posteriors: Float32Array;
  /** What that is the mean of. */
  readonly parts: readonly Part[];
}

export class Ensemble {
  /** Every Q that a member needs, ascending. */
  readonly scales: readonly number[];
  readonly #members: readonly Member[];
  readonly #looking: LookingOptions;

  constructor(members: readonly Member[], looking: LookingOptions) {
    this.#members = members;
    this.#looking = looking;
    this.scales = [...new Set(members.flatMap(({ scales }) => scales))].sort((a, b) => a - b);
  }

  /**
   * @param scaled the image at each of `scales`
   * @returns when its batches are computed: call `flush` when no image follows
   */
  async judge(scaled: readonly RgbImage[], signal?: AbortSignal): Promise<Judgement> {
    const parts = await Promise.all(
      this.#members.map(async (member, model) => {
        const seen = await member.classifier.classify(this.#imagesFor(member, scaled), {
          ...this.#looking,
          signal,
        });
        return seen.map((one): Part => ({ ...one, model, values: reordered(one.values, member) }));
      }),
    );
    const means = parts.map((ofMember) => meanOf(ofMember.map(({ values }) => values)));
    return { posteriors: Float32Array.from(meanOf(means)), parts: parts.flat() };
  }

  /** Takes an image's place in its batches, see `BatchQueue.accompany`. */
  accompany(scaled: readonly RgbImage[]): void {
    for (const member of this.#members) {
      member.classifier.accompany(this.#imagesFor(member, scaled), this.#looking);
    }
  }

  /** Computes what has been given without waiting for more. */
  flush(): void {
    for (const { classifier } of this.#members) classifier.flush();
  }

  /** Frees the programs; images that are not done fail with `error`. */
  close(error?: unknown): void {
    for (const { classifier } of this.#members) classifier.close(error);
  }

  #imagesFor({ scales }: Member, scaled: readonly RgbImage[]): RgbImage[] {
    return scales.map((scale) => scaled[this.scales.indexOf(scale)]!);
  }
}

function reordered(values: Float64Array, { numbers }: Member): Float64Array {
  return numbers ? reorder(values, numbers) : values;
}
