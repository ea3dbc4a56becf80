/**
 * Rescales a whole image, or computes a window of the result: separably, with a triangle filter. Rows are rescaled first,
 * then columns, each rounded to bytes. The weights are integers, so that every machine computes the same pixels: those
 * of Pillow's `Image.resize(…, BILINEAR)` (10.4; newer versions sometimes start with the columns), with which the
 * published PyTorch weights were tested.
 *
 * This is what a browser runs, and the specification of native/images, which Node runs (rescale.ts). Nothing here needs
 * Node.
 */
import type { Rounding } from '../../core/image-preparation.ts';
import type { RgbImage } from '../sources/image-source.ts';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The size of an image rescaled isotropically (paper, 3.1 and 3.2): the smaller side is exactly `side`, and the other
 * keeps the aspect ratio, rounded to whole pixels (halves up), or down with torchvision's rounding.
 */
export function rescaledSize(
  width: number,
  height: number,
  side: number,
  rounding: Rounding = 'nearest',
): Size {
  const round = rounding === 'nearest' ? Math.round : Math.trunc;
  return width <= height
    ? { width: side, height: Math.max(side, round((height * side) / width)) }
    : { width: Math.max(side, round((width * side) / height)), height: side };
}

/** A rectangle of pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** For each output position, the first input position and the weights from there on. */
export interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** `[outputs, width]`, fixed point with 22 binary places, zeros after the last; each row sums to 1 up to rounding. */
  readonly weights: Int32Array;
  readonly width: number;
}

const PLACES = 22;
const ONE = 2 ** PLACES;

const cache = new Map<number, Taps>();

/**
 * out(i) = Σ w(j) in(j), where w is a triangle around the input point on which the center of pixel i falls. It is as wide
 * as the larger of an input and an output pixel, and its weights within the image sum to 1.
 */
export function tapsFor(from: number, to: number): Taps {
  const key = from * 2 ** 26 + to;
  let taps = cache.get(key);
  if (taps === undefined) {
    taps = computeTaps(from, to);
    // Scale jittering uses hundreds of sizes, whose weights are quickly computed again.
    if (cache.size >= 1000) cache.clear();
    cache.set(key, taps);
  }
  return taps;
}

function computeTaps(from: number, to: number): Taps {
  const scale = from / to;
  const reach = Math.max(1, scale);
  const width = 2 * Math.ceil(reach) + 1;
  const taps = {
    starts: new Int32Array(to),
    counts: new Int32Array(to),
    weights: new Int32Array(to * width),
    width,
  };
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const last = Math.min(from, Math.trunc(center + reach + 0.5));
    const row = Array.from({ length: last - first }, (_, j) =>
      Math.max(0, 1 - Math.abs((first + j - center + 0.5) * (1 / reach))),
    );
    const sum = row.reduce((total, weight) => total + weight, 0);
    taps.starts[i] = first;
    taps.counts[i] = row.length;
    row.forEach((weight, j) => {
      taps.weights[i * width + j] = Math.floor(0.5 + (weight / sum) * ONE);
    });
  }
  return taps;
}

/** The window that covers a whole image. */
export function wholeWindow({ width, height }: Size): Window {
  return { left: 0, top: 0, width, height };
}

/** Resamples to `width` × `height` and returns a window of the result: the same pixels as in the whole result. */
export function resample(
  image: RgbImage,
  width: number,
  height: number,
  window = wholeWindow({ width, height }),
): RgbImage {
  const across = tapsFor(image.width, width);
  const down = tapsFor(image.height, height);
  const bottom = window.top + window.height - 1;
  const first = down.starts[window.top]!;
  const rows = down.starts[bottom]! + down.counts[bottom]! - first;
  const length = window.width * 3;
  const middle = new Uint8Array(rows * length);
  for (let y = 0; y < rows; y++) {
    const input = image.pixels.subarray((first + y) * image.width * 3, (first + y + 1) * image.width * 3);
    sumAlong(input, across, window.left, middle.subarray(y * length, (y + 1) * length));
  }
  const pixels = new Uint8Array(window.height * length);
  for (let y = 0; y < window.height; y++) {
    sumRows(middle, down, window.top + y, first, pixels.subarray(y * length, (y + 1) * length));
  }
  return { width: window.width, height: window.height, pixels };
}

/** output ← the weighted sums along a row, from output column `left` on. */
function sumAlong(
  row: Uint8Array,
  { starts, counts, weights, width }: Taps,
  left: number,
  output: Uint8Array,
): void {
  for (let at = 0, x = left; at < output.length; at += 3, x++) {
    let red = ONE / 2;
    let green = ONE / 2;
    let blue = ONE / 2;
    let from = starts[x]! * 3;
    for (let tap = x * width, end = tap + counts[x]!; tap < end; tap++, from += 3) {
      const weight = weights[tap]!;
      red += weight * row[from]!;
      green += weight * row[from + 1]!;
      blue += weight * row[from + 2]!;
    }
    output[at] = toByte(red);
    output[at + 1] = toByte(green);
    output[at + 2] = toByte(blue);
  }
}

/** output ← output row y, the weighted sum of input rows; `rows` starts with input row `first`. */
function sumRows(rows: Uint8Array, taps: Taps, y: number, first: number, output: Uint8Array): void {
  const { length } = output;
  const start = (taps.starts[y]! - first) * length;
  const count = taps.counts[y]!;
  for (let i = 0; i < length; i++) {
    let sum = ONE / 2;
    for (let tap = 0, at = start + i; tap < count; tap++, at += length) {
      sum += taps.weights[y * taps.width + tap]! * rows[at]!;
    }
    output[i] = toByte(sum);
  }
}

/** Rounded weights may sum to slightly more than 1. */
function toByte(sum: number): number {
  return Math.min(255, sum >> PLACES);
}
