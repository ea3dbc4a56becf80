/** ConvNet fusion (paper, 4.4): averages the posteriors of several networks. */
import type { RgbImage } from '../../data/sources/image-source.ts';
import { meanOf } from '../protocol/softmax.ts';
import { reorder } from './class-matching.ts';
import type { ClassifyOptions, ImageClassifier, ScalePosteriors } from './image-classifier.ts';

export interface Member {
  readonly classifier: ImageClassifier;
  /** Test scales Q. */
  readonly scales: readonly number[];
  /** This member's number of each class of the first member (default: the same order). */
  readonly numbers?: Int32Array;
}

/** One member's posteriors by one protocol at one scale, in the first member's class order. */
export interface MemberPosteriors extends ScalePosteriors {
  /** Number of the member, from 0. */
  readonly model: number;
}

export interface EnsemblePosteriors {
  /** `[classes]`: each member's mean over protocols and scales, averaged over the members. */
  readonly posteriors: Float32Array;
  /** The posteriors that were averaged. */
  readonly parts: readonly MemberPosteriors[];
}

export class Ensemble {
  /** Every Q that a member uses, ascending. */
  readonly scales: readonly number[];
  readonly #members: readonly Member[];
  readonly #options: ClassifyOptions;

  constructor(members: readonly Member[], options: ClassifyOptions) {
    this.#members = members;
    this.#options = options;
    this.scales = [...new Set(members.flatMap(({ scales }) => scales))].sort((a, b) => a - b);
  }

  /**
   * @param scaled the image at each of `scales`
   * @returns once its batches are computed; call `flush` if no image follows
   */
  async classify(scaled: readonly RgbImage[], signal?: AbortSignal): Promise<EnsemblePosteriors> {
    const parts = await Promise.all(
      this.#members.map(async (member, model) => {
        const options = { ...this.#options, signal };
        const own = await member.classifier.classify(this.#imagesFor(member, scaled), options);
        return own.map(
          (part): MemberPosteriors => ({ ...part, model, values: reordered(part.values, member) }),
        );
      }),
    );
    const means = parts.map((own) => meanOf(own.map(({ values }) => values)));
    return { posteriors: Float32Array.from(meanOf(means)), parts: parts.flat() };
  }

  /** Fills an image's places in its batches without classifying it, see `Batcher.addFiller`. */
  addFiller(scaled: readonly RgbImage[]): void {
    for (const member of this.#members) {
      member.classifier.addFiller(this.#imagesFor(member, scaled), this.#options);
    }
  }

  /** Computes the batches that are not full. */
  flush(): void {
    for (const { classifier } of this.#members) classifier.flush();
  }

  /** Frees the programs. Images that are not done fail with `error`. */
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
