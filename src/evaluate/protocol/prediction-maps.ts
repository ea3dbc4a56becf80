/** Predictions by position: the score map of dense evaluation, and each crop of the grid. */
import type { Size } from '../../data/pixels/resample.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import { layerCosts } from '../../net/cost.ts';
import type { ModelFacts } from '../../weights/model/metadata.ts';
import type { ImageClassifier } from '../inference/image-classifier.ts';
import { gridCrops } from './crop-grid.ts';
import { averageOverPositions, positionPosteriors } from './dense-score-map.ts';
import { meanOf, type RankedClass, softmax, topClasses } from './softmax.ts';

/** A ranked class with its display name. */
export type LabeledClass = RankedClass & { readonly label: string };

export interface LabeledClassifier {
  readonly classifier: ImageClassifier;
  readonly facts: Pick<ModelFacts, 'network' | 'labels'>;
}

export interface ScoreMap {
  /** Size of the rescaled image in pixels; stride and receptive field are in its pixels. */
  readonly rescaled: Size;
  readonly rows: number;
  readonly columns: number;
  /** Left edge of the first position's window, whose side is the crop, in pixels. */
  readonly left: number;
  /** Top edge of the first position's window in pixels. */
  readonly top: number;
  /** Distance between neighboring positions, in pixels. */
  readonly effectiveStride: number;
  /** Side of the receptive field of a position, in pixels. */
  readonly receptiveField: number;
  readonly classes: (LabeledClass & {
    /** rows × columns: the soft-max at each position, averaged over the image and its mirror image. */
    readonly map: number[];
  })[];
}

/**
 * The score maps of some classes, mirror image included.
 * @param image already rescaled
 * @param wanted class numbers, or how many of the most probable classes
 */
export async function scoreMapOf(
  { classifier, facts }: LabeledClassifier,
  image: RgbImage,
  wanted: readonly number[] | number,
  signal?: AbortSignal,
): Promise<ScoreMap> {
  const { network, labels } = facts;
  const outputs = await classifier.scores('dense', image, true, signal);
  const posteriors = meanOf(outputs.map((scores) => softmax(averageOverPositions(scores, network.classes))));
  const shown =
    typeof wanted === 'number'
      ? topClasses(posteriors, wanted)
      : wanted.map((index) => ({ index, probability: posteriors[index]! }));
  const grid = classifier.mapGrid(image);
  const indices = shown.map(({ index }) => index);
  const [straight, mirrored] = outputs.map((scores, i) =>
    positionPosteriors({ scores, ...grid }, indices, i === 1),
  );
  const field = layerCosts(network, image.height, image.width).at(-1)!.receptiveField;
  return {
    rescaled: sizeOf(image),
    ...grid,
    effectiveStride: field.stride,
    receptiveField: field.side,
    classes: withLabels(shown, labels).map((one, i) => ({
      ...one,
      map: [...meanOf([straight![i]!, mirrored![i]!])],
    })),
  };
}

export interface CropScores {
  /** Size of the rescaled image in pixels. */
  readonly rescaled: Size;
  /** Side of a crop in pixels of the rescaled image. */
  readonly crop: number;
  readonly crops: {
    /** Left edge in pixels of the rescaled image. */
    readonly x: number;
    /** Top edge in pixels of the rescaled image. */
    readonly y: number;
    readonly flipped: boolean;
    /** The three most probable classes, best first. */
    readonly top: LabeledClass[];
  }[];
}

/**
 * The prediction for each crop of the 5×5 grid alone.
 * @param image already rescaled
 * @param flip whether each crop is followed by its mirror image
 */
export async function cropScoresOf(
  { classifier, facts }: LabeledClassifier,
  image: RgbImage,
  flip: boolean,
  signal?: AbortSignal,
): Promise<CropScores> {
  const { network, labels } = facts;
  const outputs = await classifier.scores('crops', image, flip, signal);
  return {
    rescaled: sizeOf(image),
    crop: network.crop,
    crops: gridCrops(image, network.crop, flip).map(({ left, top, flip: flipped }, i) => ({
      x: left,
      y: top,
      flipped,
      top: withLabels(topClasses(softmax(outputs[i]!), 3), labels),
    })),
  };
}

/** Adds display names to ranked classes. */
export function withLabels(ranked: readonly RankedClass[], labels: readonly string[]): LabeledClass[] {
  return ranked.map(({ index, probability }) => ({ index, label: labels[index]!, probability }));
}

function sizeOf({ width, height }: Size): Size {
  return { width, height };
}
