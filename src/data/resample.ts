/** Rescaling small images in TypeScript: separable, with a triangle filter. */
import type { RgbImage } from './source.ts';

/** For each output position: the first input position and the weights from there on. */
interface Taps {
  readonly starts: Int32Array;
  /** `[outputs, width]`, zeros behind the last weight; each row sums to 1. */
  readonly weights: Float32Array;
  readonly width: number;
}

const remembered = new Map<number, Taps>();

/**
 * out(i) = Σ w(j) in(j), w a triangle centred where pixel i's centre falls in the input, as wide as the
 * larger of an input and an output pixel, its weights summing to 1 within the image.
 */
function tapsFor(from: number, to: number): Taps {
  const key = from * 2 ** 20 + to;
  let taps = remembered.get(key);
  if (taps === undefined) {
    taps = computeTaps(from, to);
    // Scale jittering visits hundreds of sizes; they are quickly computed again.
    if (remembered.size >= 1000) remembered.clear();
    remembered.set(key, taps);
  }
  return taps;
}

function computeTaps(from: number, to: number): Taps {
  const scale = from / to;
  const reach = Math.max(1, scale);
  const width = Math.ceil(2 * reach) + 1;
  const starts = new Int32Array(to);
  const weights = new Float32Array(to * width);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.floor(centre - reach));
    const end = Math.min(from, start + width, Math.ceil(centre + reach));
    const row = Array.from({ length: end - start }, (_, j) =>
      Math.max(0, 1 - Math.abs(start + j + 0.5 - centre) / reach),
    );
    const sum = row.reduce((total, weight) => total + weight, 0);
    starts[i] = start;
    weights.set(
      row.map((weight) => weight / sum),
      i * width,
    );
  }
  return { starts, weights, width };
}

/** Resamples to `width` × `height`: rows first, then columns, rounded once at the end. */
export function resample(image: RgbImage, width: number, height: number): RgbImage {
  const rows = resampleRows(image, width);
  return { width, height, pixels: resampleColumns(rows, width, image.height, height) };
}

/** @returns `[image.height, width, 3]` */
function resampleRows(image: RgbImage, width: number): Float32Array {
  const { starts, weights, width: tapCount } = tapsFor(image.width, width);
  const result = new Float32Array(image.height * width * 3);
  let at = 0;
  for (let y = 0; y < image.height; y++) {
    const row = y * image.width;
    const rowEnd = (row + image.width) * 3;
    for (let x = 0; x < width; x++) {
      let red = 0;
      let green = 0;
      let blue = 0;
      let from = (row + starts[x]!) * 3;
      for (let tap = x * tapCount; tap < (x + 1) * tapCount && from < rowEnd; tap++, from += 3) {
        const weight = weights[tap]!;
        red += weight * image.pixels[from]!;
        green += weight * image.pixels[from + 1]!;
        blue += weight * image.pixels[from + 2]!;
      }
      result[at++] = red;
      result[at++] = green;
      result[at++] = blue;
    }
  }
  return result;
}

/** @param rows `[fromHeight, width, 3]` @returns `[height, width, 3]` */
function resampleColumns(rows: Float32Array, width: number, fromHeight: number, height: number): Uint8Array {
  const { starts, weights, width: tapCount } = tapsFor(fromHeight, height);
  const stride = width * 3;
  const result = new Uint8Array(height * stride);
  const sums = new Float32Array(stride);
  for (let y = 0; y < height; y++) {
    sums.fill(0.5);
    for (let tap = 0; tap < tapCount; tap++) {
      const weight = weights[y * tapCount + tap]!;
      if (weight === 0) continue;
      const from = (starts[y]! + tap) * stride;
      for (let i = 0; i < stride; i++) sums[i]! += weight * rows[from + i]!;
    }
    // Storing into bytes cuts off the fraction, which with the half added above is rounding.
    for (let i = 0; i < stride; i++) result[y * stride + i] = sums[i]!;
  }
  return result;
}
