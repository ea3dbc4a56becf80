/** What a model sees in an image place by place: dense evaluation's map of scores, and each crop of the grid. */
import type { Size } from '../data/pixels/resample.ts';
import type { RgbImage } from '../data/sources/source.ts';
import { layerCosts } from '../net/cost.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { gridCrops } from './crops.ts';
import { averageOverPositions } from './dense.ts';
import type { ImageClassifier } from './image-classifier.ts';
import { positionPosteriors } from './position-posteriors.ts';
import { meanOf, type RankedClass, softmax, topClasses } from './softmax.ts';

export type LabelledClass = RankedClass & { readonly label: string };

/** A model that can look. */
export interface Viewer {
  readonly classifier: ImageClassifier;
  readonly facts: Pick<ModelFacts, 'network' | 'labels'>;
}

export interface ScoreMap {
  /** The image's size at its scale; strides and fields are in its pixels. */
  readonly rescaled: Size;
  readonly rows: number;
  readonly columns: number;
  /** Between neighbouring positions. */
  readonly effectiveStride: number;
  /** Side of what a position sees. */
  readonly receptiveField: number;
  readonly classes: (LabelledClass & {
    /** rows × columns: the soft-max at each position, the mean of the image and of its mirror image. */
    readonly map: number[];
  })[];
}

/**
 * Where dense evaluation sees classes, mirror image included.
 * @param image at its scale
 * @param wanted the numbers of some classes, or how many of the most probable ones
 */
export async function scoreMapOf(
  { classifier, facts }: Viewer,
  image: RgbImage,
  wanted: readonly number[] | number,
  signal?: AbortSignal,
): Promise<ScoreMap> {
  const { network, labels } = facts;
  const views = await classifier.scores('dense', image, true, signal);
  const posteriors = meanOf(views.map((scores) => softmax(averageOverPositions(scores, network.classes))));
  const shown =
    typeof wanted === 'number'
      ? topClasses(posteriors, network.classes).slice(0, wanted)
      : wanted.map((index) => ({ index, probability: posteriors[index]! }));
  const [rows, columns] = classifier.mapSize(image);
  const indices = shown.map(({ index }) => index);
  const [straight, mirrored] = views.map((scores, i) =>
    positionPosteriors({ scores, rows, columns }, indices, i === 1),
  );
  const field = layerCosts(network).at(-1)!.receptiveField;
  return {
    rescaled: sizeOf(image),
    rows,
    columns,
    effectiveStride: field.stride,
    receptiveField: field.side,
    classes: labelled(shown, labels).map((one, i) => ({
      ...one,
      map: [...meanOf([straight![i]!, mirrored![i]!])],
    })),
  };
}

export interface CropScores {
  readonly rescaled: Size;
  /** Side in rescaled pixels. */
  readonly crop: number;
  readonly crops: {
    readonly x: number;
    readonly y: number;
    readonly flipped: boolean;
    /** The three most probable classes. */
    readonly top: LabelledClass[];
  }[];
}

/**
 * What each crop of the 5×5 grid alone says.
 * @param image at its scale
 * @param flip whether each crop is followed by its mirror image
 */
export async function cropScoresOf(
  { classifier, facts }: Viewer,
  image: RgbImage,
  flip: boolean,
  signal?: AbortSignal,
): Promise<CropScores> {
  const { network, labels } = facts;
  const views = await classifier.scores('crops', image, flip, signal);
  return {
    rescaled: sizeOf(image),
    crop: network.crop,
    crops: gridCrops(image, network.crop, flip).map(({ left, top, flip: flipped }, i) => ({
      x: left,
      y: top,
      flipped,
      top: labelled(topClasses(softmax(views[i]!), 3), labels),
    })),
  };
}

/** Ranked classes with their names for people. */
export function labelled(ranked: readonly RankedClass[], labels: readonly string[]): LabelledClass[] {
  return ranked.map(({ index, probability }) => ({ index, label: labels[index]!, probability }));
}

function sizeOf({ width, height }: Size): Size {
  return { width, height };
}
