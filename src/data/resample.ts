/** Rescaling in TypeScript: separable, with a triangle filter, for a whole image or a window of the result. */
import type { RgbImage } from './source.ts';

/** A rectangle of pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** For each output position: the first input position and the weights from there on. */
interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
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
  const key = from * 2 ** 26 + to;
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
  const taps = {
    starts: new Int32Array(to),
    counts: new Int32Array(to),
    weights: new Float32Array(to * width),
    width,
  };
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - reach));
    const last = Math.min(from, Math.ceil(centre + reach));
    const row = Array.from({ length: last - first }, (_, j) =>
      Math.max(0, 1 - Math.abs(first + j + 0.5 - centre) / reach),
    );
    const skipped = row.findIndex((weight) => weight > 0);
    const used = row.slice(skipped, row.findLastIndex((weight) => weight > 0) + 1);
    const sum = used.reduce((total, weight) => total + weight, 0);
    taps.starts[i] = first + skipped;
    taps.counts[i] = used.length;
    used.forEach((weight, j) => {
      taps.weights[i * width + j] = weight / sum;
    });
  }
  return taps;
}

/**
 * Resamples to `width` × `height`, of which it returns the window: columns first, then rows, rounded once
 * at the end. A window has the very pixels that the whole result has there.
 */
export function resample(
  image: RgbImage,
  width: number,
  height: number,
  window: Window = { left: 0, top: 0, width, height },
): RgbImage {
  const across = tapsFor(image.width, width);
  const down = tapsFor(image.height, height);
  const right = window.left + window.width - 1;
  const firstColumn = across.starts[window.left]!;
  const line = new Float32Array((across.starts[right]! + across.counts[right]! - firstColumn) * 3);
  const pixels = new Uint8Array(window.width * window.height * 3);
  for (let y = 0; y < window.height; y++) {
    sumRows(image, down, window.top + y, firstColumn * 3, line);
    const output = pixels.subarray(y * window.width * 3, (y + 1) * window.width * 3);
    sumAlong(line, across, window.left, firstColumn, output);
  }
  return { width: window.width, height: window.height, pixels };
}

/** line ← the weighted sum of the input rows that make output row y, from byte `from` of each row on. */
function sumRows(image: RgbImage, taps: Taps, y: number, from: number, line: Float32Array): void {
  const { pixels } = image;
  const stride = image.width * 3;
  const length = line.length;
  for (let tap = 0; tap < taps.counts[y]!; tap++) {
    const weight = taps.weights[y * taps.width + tap]!;
    const row = (taps.starts[y]! + tap) * stride + from;
    if (tap === 0) for (let i = 0; i < length; i++) line[i] = weight * pixels[row + i]!;
    else for (let i = 0; i < length; i++) line[i]! += weight * pixels[row + i]!;
  }
}

/** output ← the weighted sums along a line that starts at input column `firstColumn`, from output column `left` on. */
function sumAlong(
  line: Float32Array,
  taps: Taps,
  left: number,
  firstColumn: number,
  output: Uint8Array,
): void {
  const { starts, counts, weights, width } = taps;
  for (let at = 0, x = left; at < output.length; at += 3, x++) {
    // Storing into bytes cuts off the fraction, which with a half added is rounding.
    let red = 0.5;
    let green = 0.5;
    let blue = 0.5;
    let from = (starts[x]! - firstColumn) * 3;
    for (let tap = x * width, end = tap + counts[x]!; tap < end; tap++, from += 3) {
      const weight = weights[tap]!;
      red += weight * line[from]!;
      green += weight * line[from + 1]!;
      blue += weight * line[from + 2]!;
    }
    output[at] = red;
    output[at + 1] = green;
    output[at + 2] = blue;
  }
}
