/**
 * Local response normalization across channels, in A-LRN only (section 2.1; Krizhevsky et al. 2012, section 3.3):
 *
 *     y_c = x_c · s_c^−β,   s_c = k + α · Σ_j x_j²,   j over those of the `size` channels around c that exist
 *
 * at each pixel of each image; x and y `[N, C, H, W]`. α is not divided by `size`, as it is in PyTorch and Caffe.
 */
import type { LrnLayer } from '../../core/layer.ts';
import type { Shape4 } from '../../core/shape.ts';

/** @returns y */
export function lrnForward(layer: LrnLayer, shape: Shape4, input: Float32Array): Float32Array {
  const output = new Float32Array(input.length);
  forEachPlace(shape, (at) => {
    const x = column(shape, input, at);
    const s = scales(layer, x);
    x.forEach((value, c) => {
      output[at(c)] = value * s[c]! ** -layer.beta;
    });
  });
  return output;
}

/**
 * ∂L/∂x_c = ∂L/∂y_c · s_c^−β − 2αβ · x_c · Σ_j ∂L/∂y_j · x_j · s_j^(−β−1),   j over the channels around c
 * @returns `[N, C, H, W]`
 */
export function lrnBackward(
  layer: LrnLayer,
  shape: Shape4,
  input: Float32Array,
  outputGradient: Float32Array,
): Float32Array {
  const { alpha, beta } = layer;
  const inputGradient = new Float32Array(input.length);
  forEachPlace(shape, (at) => {
    const x = column(shape, input, at);
    const gradient = column(shape, outputGradient, at);
    const s = scales(layer, x);
    const shared = x.map((value, j) => gradient[j]! * value * s[j]! ** (-beta - 1));
    x.forEach((value, c) => {
      const through = 2 * alpha * beta * value * sumAround(layer, shared, c);
      inputGradient[at(c)] = gradient[c]! * s[c]! ** -beta - through;
    });
  });
  return inputGradient;
}

/** Visits each pixel of each image. `at(c)` is the index in the tensor of its channel c. */
function forEachPlace(
  [images, channels, height, width]: Shape4,
  visit: (at: (c: number) => number) => void,
): void {
  const area = height * width;
  for (let n = 0; n < images; n++) {
    for (let place = 0; place < area; place++) visit((c) => (n * channels + c) * area + place);
  }
}

/** The channels of one pixel. */
function column([, channels]: Shape4, tensor: Float32Array, at: (c: number) => number): Float64Array {
  return Float64Array.from({ length: channels }, (_, c) => tensor[at(c)]!);
}

/** s_c for each channel c. */
function scales(layer: LrnLayer, x: Float64Array): Float64Array {
  const squares = x.map((value) => value * value);
  return x.map((_, c) => layer.k + layer.alpha * sumAround(layer, squares, c));
}

function sumAround({ size }: LrnLayer, values: Float64Array, c: number): number {
  const half = (size - 1) / 2;
  let sum = 0;
  for (let j = Math.max(0, c - half); j <= Math.min(values.length - 1, c + half); j++) sum += values[j]!;
  return sum;
}
