/**
 * The first test protocol of appendix A: the box that a network predicts for the image's true class from the center crop.
 */
import {
  type Box,
  bestOverlap,
  boxFrom,
  boxNumber,
  boxTarget,
  clippedBox,
  largestBox,
  scaledBox,
} from '../../core/boxes.ts';
import type { Size } from '../../data/pixels/resample.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import type { ImageClassifier } from '../inference/image-classifier.ts';
import { centerCrops } from '../protocol/crop-grid.ts';

export interface CenterBox {
  /** In pixels of the image as stored. */
  readonly box: Box;
  /** Intersection over union with the true box; of several, the best one's. */
  readonly overlap: number;
  /** The Euclidean loss. */
  readonly loss: number;
}

/** The size of the image as it is stored. */
export function storedSize(image: RgbImage): Size {
  return image.original ?? image;
}

/**
 * @param scaled the image at the test scale
 * @param label the true class
 * @param truths the true boxes, in pixels of the image as stored
 * @returns once its batch is computed; call `flush` if no image follows
 */
export async function centerBox(
  localizer: ImageClassifier,
  scaled: RgbImage,
  label: number,
  truths: readonly Box[],
): Promise<CenterBox> {
  const { network } = localizer;
  const [outputs] = await localizer.scores('center', scaled, false);
  const [crop] = centerCrops(scaled, network.crop, false);
  const stored = storedSize(scaled);
  const [across, down] = [scaled.width / stored.width, scaled.height / stored.height];
  const number = boxNumber(network.boxes!, label);
  const predicted = scaledBox(boxFrom(outputs!, crop!, number), 1 / across, 1 / down);
  const target = boxTarget(scaledBox(largestBox(truths), across, down), crop!);
  const box = clippedBox(predicted, stored.width, stored.height);
  return {
    box,
    overlap: bestOverlap(box, truths),
    loss: target.reduce((sum, value, j) => sum + (value - outputs![4 * number + j]!) ** 2, 0) / 2,
  };
}
