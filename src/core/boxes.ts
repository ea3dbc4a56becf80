/** Boxes around objects, and how a network states one (appendix A). Lengths are in pixels. */

/** A box's edges, as distances from the left and the top of the image: pixels 3 to 5 reach from 3 to 6. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * How many boxes a network predicts: one for all classes (`single`, the paper's single-class regression), or one for each
 * (`per-class`).
 */
export const regressions = ['single', 'per-class'] as const;
export type Regression = (typeof regressions)[number];

/** Numbers that describe a box. */
export const BOX_VALUES = 4;

/** A prediction is right if its intersection over union with the truth is above this. */
export const LEAST_OVERLAP = 0.5;

/** Number of outputs of a network. */
export function outputsFor(classes: number, regression: Regression | undefined): number {
  if (regression === undefined) return classes;
  return regression === 'single' ? BOX_VALUES : BOX_VALUES * classes;
}

/** The number of the box that is meant for a class. */
export function boxNumber(regression: Regression, label: number): number {
  return regression === 'single' ? 0 : label;
}

/** Intersection over union, 0 to 1. A box without area overlaps nothing. */
export function overlapOf(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const shared = Math.max(0, width) * Math.max(0, height);
  const union = areaOf(a) + areaOf(b) - shared;
  return shared > 0 && union > 0 ? shared / union : 0;
}

export function areaOf({ left, top, right, bottom }: Box): number {
  return Math.max(0, right - left) * Math.max(0, bottom - top);
}

/** The largest overlap with one of several boxes. */
export function bestOverlap(box: Box, truths: readonly Box[]): number {
  return truths.reduce((best, truth) => Math.max(best, overlapOf(box, truth)), 0);
}

export function largestBox(boxes: readonly Box[]): Box {
  return boxes.reduce((largest, box) => (areaOf(box) > areaOf(largest) ? box : largest));
}

/** A box in an image that is rescaled by factors. */
export function scaledBox({ left, top, right, bottom }: Box, across: number, down = across): Box {
  return { left: left * across, top: top * down, right: right * across, bottom: bottom * down };
}

/** A square part of an image that a network sees. */
interface SeenWindow {
  readonly left: number;
  readonly top: number;
  readonly size: number;
  /** Mirrored left to right (default: no). */
  readonly flip?: boolean;
}

/** Networks state lengths in half sides of the crop, which then reaches from −1 to 1. The paper gives no unit. */
const UNITS = 2;

/** The four numbers that a network should give for a box: center x and y, from the window's center, width and height. */
export function boxTarget(box: Box, { left, top, size, flip }: SeenWindow): number[] {
  const across = (box.left + box.right) / 2 - (left + size / 2);
  const down = (box.top + box.bottom) / 2 - (top + size / 2);
  return [flip ? -across : across, down, box.right - box.left, box.bottom - box.top].map(
    (length) => (length * UNITS) / size,
  );
}

/**
 * The box that a network's numbers state: the inverse of `boxTarget`.
 * @param number of the box among the values
 * @param stride distance between the numbers of a box, more than 1 in a map of positions
 */
export function boxFrom(
  values: ArrayLike<number>,
  { left, top, size, flip }: SeenWindow,
  number = 0,
  stride = 1,
  offset = 0,
): Box {
  const [across, down, width, height] = Array.from(
    { length: BOX_VALUES },
    (_, j) => (values[offset + (number * BOX_VALUES + j) * stride]! * size) / UNITS,
  ) as [number, number, number, number];
  const x = left + size / 2 + (flip ? -across : across);
  const y = top + size / 2 + down;
  return { left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 };
}

/** The part of a box that is in an image. */
export function clippedBox({ left, top, right, bottom }: Box, width: number, height: number): Box {
  const within = (value: number, most: number) => Math.min(most, Math.max(0, value));
  return {
    left: within(left, width),
    top: within(top, height),
    right: within(right, width),
    bottom: within(bottom, height),
  };
}
