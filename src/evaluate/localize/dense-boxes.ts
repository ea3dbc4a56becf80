/**
 * The second test protocol of appendix A: localization networks run densely over the whole image at several scales, every
 * position gives a box, close boxes are merged, and the class scores of classification networks rate them.
 */
import { type Box, boxFrom, boxNumber, clippedBox, scaledBox } from '../../core/boxes.ts';
import { UserError } from '../../core/errors.ts';
import type { Size } from '../../data/pixels/resample.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import { layerCosts } from '../../net/cost.ts';
import { reorder } from '../inference/class-matching.ts';
import type { ImageClassifier } from '../inference/image-classifier.ts';
import { averageOverPositions, positionPosteriors } from '../protocol/dense-score-map.ts';
import { meanOf, type RankedClass, softmax, topClasses } from '../protocol/softmax.ts';
import { storedSize } from './center-boxes.ts';
import { mergeBoxes, type ScoredBox } from './merge-boxes.ts';

interface NetworkAtScales {
  readonly classifier: ImageClassifier;
  /** Model file, for messages. */
  readonly path: string;
  /** Its number of each class of the first classification network (default: the same order). */
  readonly numbers?: Int32Array;
}

export interface LocalizingNetworks {
  /** Their boxes are united. */
  readonly localizers: readonly (NetworkAtScales & { readonly scales: readonly number[] })[];
  /** Their posteriors are averaged. */
  readonly classifiers: readonly NetworkAtScales[];
}

/** A class and where its object is, in pixels of the image as stored. */
export interface LocatedClass extends RankedClass {
  readonly box: Box;
}

/** The classes that are located: as many as the paper's error counts. */
const GUESSES = 5;

/** What the classification networks say about an image at one scale. */
interface ScaleScores {
  readonly rows: number;
  readonly columns: number;
  /** Of each network: `[classes, rows, columns]`, and the soft-max of their mean over positions, in the first one's order. */
  readonly maps: readonly Float32Array[];
  readonly posteriors: readonly Float64Array[];
}

/** Every Q that a localization network uses, ascending. */
export function scalesOf({ localizers }: LocalizingNetworks): number[] {
  return [...new Set(localizers.flatMap(({ scales }) => scales))].sort((a, b) => a - b);
}

/**
 * Classes of an image, each with the best rated box.
 * @param scaled the image at each scale of `scalesOf`
 * @param wanted the classes, or how many of the most probable ones (default: five)
 * @returns once its batches are computed; call `flush` of all networks if no image follows
 * @throws UserError when networks have maps of different sizes
 */
export async function locateClasses(
  networks: LocalizingNetworks,
  scaled: readonly RgbImage[],
  wanted: readonly RankedClass[] | number = GUESSES,
  signal?: AbortSignal,
): Promise<LocatedClass[]> {
  const scales = scalesOf(networks);
  // All inputs are submitted before the first result is awaited, so that batches are full.
  const [scores, boxes] = await Promise.all([
    Promise.all(scaled.map((image) => scoresAt(networks, image, signal))),
    Promise.all(
      networks.localizers.map((localizer) =>
        Promise.all(
          localizer.scales.map(async (scale) => {
            const at = scales.indexOf(scale);
            const [map] = await localizer.classifier.scores('dense', scaled[at]!, false, signal);
            return { at, map: map!, localizer };
          }),
        ),
      ),
    ),
  ]);
  const stored = storedSize(scaled[0]!);
  const ranking =
    typeof wanted === 'number' ? topClasses(meanOf(scores.flatMap((one) => one.posteriors)), wanted) : wanted;
  return ranking.map((ranked) => {
    const found = boxes
      .flat()
      .flatMap(({ at, map, localizer }) =>
        positionBoxes(networks, localizer, map, scaled[at]!, scores[at]!, ranked.index),
      );
    const { box } = mergeBoxes(found)[0]!;
    return { ...ranked, box: clippedBox(box, stored.width, stored.height) };
  });
}

async function scoresAt(
  { classifiers }: LocalizingNetworks,
  image: RgbImage,
  signal: AbortSignal | undefined,
): Promise<ScaleScores> {
  const { rows, columns } = classifiers[0]!.classifier.mapGrid(image);
  const maps = await Promise.all(
    classifiers.map(async ({ classifier }) => (await classifier.scores('dense', image, false, signal))[0]!),
  );
  const posteriors = maps.map((map, i) => {
    const own = softmax(averageOverPositions(map, classifiers[i]!.classifier.network.classes));
    const { numbers } = classifiers[i]!;
    return numbers ? reorder(own, numbers) : own;
  });
  return { rows, columns, maps, posteriors };
}

/** The box of each position for a class, in pixels of the image as stored, with the class's posterior there. */
function positionBoxes(
  { classifiers }: LocalizingNetworks,
  { classifier, path, numbers }: NetworkAtScales,
  map: Float32Array,
  image: RgbImage,
  { rows, columns, maps }: ScaleScores,
  index: number,
): ScoredBox[] {
  const { network } = classifier;
  const grid = classifier.mapGrid(image);
  for (const other of classifiers) {
    const same = other.classifier.mapGrid(image);
    if (
      same.rows === grid.rows &&
      same.columns === grid.columns &&
      other.classifier.network.crop === network.crop
    )
      continue;
    throw new UserError(
      `${path} (crop ${network.crop}) and ${other.path} (crop ${other.classifier.network.crop}) have other positions, so the scores of one cannot rate the boxes of the other; use networks of the same crop`,
    );
  }
  const ratings = meanOf(
    maps.map((scores, i) => {
      const own = classifiers[i]!.numbers?.[index] ?? index;
      return positionPosteriors({ scores, rows, columns }, [own])[0]!;
    }),
  );
  const number = boxNumber(network.boxes!, numbers?.[index] ?? index);
  const { stride } = layerCosts(network, image.height, image.width).at(-1)!.receptiveField;
  const stored: Size = storedSize(image);
  return Array.from({ length: rows * columns }, (_, position) => {
    const window = {
      left: grid.left + stride * (position % columns),
      top: grid.top + stride * Math.floor(position / columns),
      size: network.crop,
    };
    const box = boxFrom(map, window, number, rows * columns, position);
    return {
      box: scaledBox(box, stored.width / image.width, stored.height / image.height),
      score: ratings[position]!,
    };
  });
}
