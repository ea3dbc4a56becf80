/**
 * The occlusion map of Zeiler & Fergus (Visualizing and Understanding Convolutional Networks, 2014, section 4.2): a
 * square of the mean color hides one part of the image after another, and the probability that is left shows how much
 * the prediction depends on that part.
 */
import type { Rgb } from '../../core/shape.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import type { ModelFacts } from '../../weights/model/metadata.ts';
import type { ImageClassifier } from '../inference/image-classifier.ts';
import type { ClassMap } from './class-map.ts';
import { averageOverPositions } from './dense-score-map.ts';
import { withLabels } from './prediction-maps.ts';
import { softmax, topClasses } from './softmax.ts';

interface OcclusionOptions {
  /** Class number (default: the most probable class). */
  readonly class?: number;
  /** Side of the hidden square in pixels of the rescaled image (default: a quarter of the crop). */
  readonly patch?: number;
  readonly signal?: AbortSignal;
}

interface OcclusionModel {
  readonly classifier: ImageClassifier;
  readonly facts: Pick<ModelFacts, 'network' | 'labels' | 'meanRgb'>;
}

/** Where the hidden squares are. */
export interface OcclusionGrid {
  readonly patch: number;
  readonly stride: number;
  readonly rows: number;
  readonly columns: number;
  readonly left: number;
  readonly top: number;
}

/** Each position is one image to compute. */
const MOST_POSITIONS = 200;
/** Images that are held in memory at a time. */
const BATCH = 32;

/** Squares half a side apart, or farther if that would be more than 200; the grid is centered. */
export function occlusionGrid(
  { width, height }: Pick<RgbImage, 'width' | 'height'>,
  crop: number,
  wanted?: number,
): OcclusionGrid {
  const patch = Math.min(wanted ?? Math.round(crop / 4), width, height);
  for (let stride = Math.max(1, Math.round(patch / 2)); ; stride++) {
    const [columns, left] = placed(width, patch, stride);
    const [rows, top] = placed(height, patch, stride);
    if (rows * columns <= MOST_POSITIONS) return { patch, stride, rows, columns, left, top };
  }
}

function placed(extent: number, patch: number, stride: number): [count: number, start: number] {
  const rest = extent - patch;
  return [Math.floor(rest / stride) + 1, Math.floor((rest % stride) / 2)];
}

/**
 * The probability of a class while each square of the image is hidden.
 * @param image already rescaled
 */
export async function occlusionMapOf(
  { classifier, facts }: OcclusionModel,
  image: RgbImage,
  options: OcclusionOptions = {},
): Promise<ClassMap> {
  const { network, labels, meanRgb } = facts;
  const posteriorsOf = async (one: RgbImage) => {
    const [scores] = await classifier.scores('dense', one, false, options.signal);
    return softmax(averageOverPositions(scores!, network.classes));
  };
  const { patch, stride, rows, columns, left, top } = occlusionGrid(image, network.crop, options.patch);
  const hiddenAt = (i: number) =>
    hide(image, left + (i % columns) * stride, top + Math.floor(i / columns) * stride, patch, meanRgb);
  const all: Float64Array[] = [];
  for (let from = 0; from <= rows * columns; from += BATCH) {
    const count = Math.min(BATCH, rows * columns + 1 - from);
    // The first image is the whole one.
    const images = Array.from({ length: count }, (_, i) => (from + i === 0 ? image : hiddenAt(from + i - 1)));
    // All at once: a request that is given up fails in each of them.
    const computed = Promise.all(images.map(posteriorsOf));
    classifier.flush();
    all.push(...(await computed));
  }
  const [posteriors, ...others] = all;
  const index = options.class ?? topClasses(posteriors!, 1)[0]!.index;
  const [shown] = withLabels([{ index, probability: posteriors![index]! }], labels);
  return {
    rescaled: { width: image.width, height: image.height },
    ...{ rows, columns, left, top },
    effectiveStride: stride,
    window: patch,
    class: shown!,
    map: others.map((values) => values[index]!),
  };
}

/** A copy of an image in which a square has the mean color. */
function hide(image: RgbImage, left: number, top: number, side: number, mean: Rgb): RgbImage {
  const pixels = image.pixels.slice();
  const color = mean.map(Math.round);
  for (let y = top; y < top + side; y++) {
    for (let x = left; x < left + side; x++) pixels.set(color, 3 * (y * image.width + x));
  }
  return { width: image.width, height: image.height, pixels };
}
