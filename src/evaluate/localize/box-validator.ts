import { LEAST_OVERLAP } from '../../core/boxes.ts';
import type { Team } from '../../core/process-team.ts';
import { type TrainScale, testScaleFor } from '../../core/scale.ts';
import { meanOf } from '../../core/statistics.ts';
import type { DecodeOptions } from '../../data/pixels/decode.ts';
import { loadForEvaluation } from '../../data/pixels/evaluation-images.ts';
import type { BadImage } from '../../data/sources/bad-images.ts';
import type { ImageSource } from '../../data/sources/image-source.ts';
import { ImageClassifier } from '../inference/image-classifier.ts';
import type { ErrorRates } from '../results/error-rates.ts';
import { type CenterBox, centerBox, storedSize } from './center-boxes.ts';

/** Images whose batches are computed together. */
const CHUNK = 64;

interface MeasureOptions extends DecodeOptions {
  readonly localizer: ImageClassifier;
  /** With boxes. */
  readonly images: ImageSource;
  /** The localizer's number of each class of the images (default: the same order). */
  readonly numbers?: Int32Array;
  readonly scale: number;
  /** Ranks that share the images. */
  readonly team?: Team;
  readonly signal?: AbortSignal;
  /** Called once for each image that cannot be read, which is then left out (default: it is an error). */
  readonly onBad?: (image: BadImage) => void;
  onProgress?(done: number, total: number): void;
}

/** The prediction for one image. */
export interface MeasuredBox extends CenterBox {
  readonly image: number;
  /** The localizer's number of the class. */
  readonly label: number;
}

/** Predicts the box of every image's true class on its center crop. @returns in the order of the images */
export async function measureCenterBoxes(options: MeasureOptions): Promise<MeasuredBox[]> {
  const { localizer, images, scale, team, signal, numbers } = options;
  const mine: MeasuredBox[] = [];
  let pending: Promise<MeasuredBox>[] = [];
  const complete = async () => {
    localizer.flush();
    mine.push(...(await Promise.all(pending)));
    pending = [];
    // The other ranks have finished about as many.
    options.onProgress?.(Math.min(images.length, mine.length * (team?.size ?? 1)), images.length);
  };
  const chosen = new Uint32Array(images.length).keys();
  const own = [...chosen].filter((i) => !team || Math.floor(i / CHUNK) % team.size === team.rank);
  for await (const image of loadForEvaluation(images, { ...options, scales: [scale], images: own })) {
    signal?.throwIfAborted();
    const [scaled] = image.scaled;
    const label = numbers?.[image.label] ?? image.label;
    const truths = images.boxes!(image.index, storedSize(scaled!));
    const measured = centerBox(localizer, scaled!, label, truths).then((box) => ({
      ...box,
      image: image.index,
      label,
    }));
    measured.catch(() => {});
    pending.push(measured);
    if (pending.length === CHUNK) await complete();
  }
  await complete();
  const all = team && team.size > 1 ? (await team.gather(mine)).flat() : mine;
  return all.sort((a, b) => a.image - b.image);
}

/** The errors of boxes: the fraction whose overlap with the truth is too small. Both errors are of the one guess. */
export function boxErrors(boxes: readonly MeasuredBox[]): ErrorRates & { readonly meanOverlap: number } {
  const errorOf = (some: readonly MeasuredBox[]) =>
    meanOf(some.map(({ overlap }) => Number(!(overlap > LEAST_OVERLAP))));
  const classes = [...new Set(boxes.map(({ label }) => label))];
  const error = errorOf(boxes);
  return {
    images: boxes.length,
    loss: meanOf(boxes.map(({ loss }) => loss)),
    top1Error: error,
    top5Error: error,
    meanClassError: meanOf(classes.map((own) => errorOf(boxes.filter(({ label }) => label === own)))),
    meanOverlap: meanOf(boxes.map(({ overlap }) => overlap)),
  };
}

interface BoxValidatorOptions extends DecodeOptions, Pick<MeasureOptions, 'images' | 'onBad'> {
  readonly trainScale: TrainScale;
  readonly team: Team;
}

/** Validates a localization network in training. */
export class BoxValidator {
  readonly #options: BoxValidatorOptions;
  readonly #localizer: ImageClassifier;

  constructor(options: BoxValidatorOptions & ConstructorParameters<typeof ImageClassifier>[0]) {
    this.#options = options;
    this.#localizer = new ImageClassifier(options);
  }

  async validate(onProgress: (done: number, total: number) => void) {
    const { images, trainScale, team, onBad, maxPixels, colorProfiles } = this.#options;
    const scale = testScaleFor(trainScale);
    const localizer = this.#localizer;
    return boxErrors(
      await measureCenterBoxes({
        localizer,
        images,
        scale,
        team,
        onBad,
        maxPixels,
        colorProfiles,
        onProgress,
      }),
    );
  }

  dispose(): void {
    this.#localizer.close();
  }
}
