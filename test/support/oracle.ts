/**
 * Computes layers in double precision, value by value from their definitions, without regard to speed. The conformance
 * suite compares every backend with them, including the reference.
 */
import { type ConvolutionLayer, type Layer, type LrnLayer, outputShape } from '../../src/core/layer.ts';
import { threefry2x32 } from '../../src/core/random.ts';
import { elementCount, type Shape4 } from '../../src/core/shape.ts';
import type { BackwardRun } from './chains.ts';
import { assertClose } from './tensors.ts';

type Values = ArrayLike<number>;

/** Compares a convolution named `conv` with its definition. */
export function assertConvolved(
  run: BackwardRun,
  expected: Gradients & { readonly output: Values },
  tolerance: number,
  outputTolerance = tolerance,
): void {
  assertClose('output', run.output, expected.output, outputTolerance);
  assertClose('input gradient', run.inputGradient, expected.input, tolerance);
  assertClose('weight gradient', run.gradients.get('conv.weight'), expected.weight, tolerance);
  assertClose('bias gradient', run.gradients.get('conv.bias'), expected.bias, tolerance);
}

export interface Gradients {
  readonly input: Float64Array;
  readonly weight: Float64Array;
  readonly bias: Float64Array;
}

/** Visits all indices of a shape in row-major order. */
function forEachIndex(
  [batch, channels, height, width]: Shape4,
  visit: (n: number, c: number, h: number, w: number, index: number) => void,
): void {
  let index = 0;
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++)
      for (let h = 0; h < height; h++) for (let w = 0; w < width; w++) visit(n, c, h, w, index++);
}

/** Visits every product of a convolution, with the indices of output, input and weight. */
function forEachProduct(
  layer: ConvolutionLayer,
  shape: Shape4,
  visit: (output: number, input: number, weight: number) => void,
): void {
  const { kernel, padding, inChannels } = layer;
  const [, , height, width] = shape;
  forEachIndex(outputShape(layer, shape), (n, o, v, u, output) => {
    for (let c = 0; c < inChannels; c++)
      for (let i = 0; i < kernel; i++)
        for (let j = 0; j < kernel; j++) {
          const h = v + i - padding;
          const w = u + j - padding;
          if (h < 0 || h >= height || w < 0 || w >= width) continue;
          const input = ((n * inChannels + c) * height + h) * width + w;
          visit(output, input, ((o * inChannels + c) * kernel + i) * kernel + j);
        }
  });
}

export function convolve(
  layer: ConvolutionLayer,
  shape: Shape4,
  x: Values,
  weight: Values,
  bias: Values,
): Float64Array {
  const y = new Float64Array(elementCount(outputShape(layer, shape)));
  forEachIndex(outputShape(layer, shape), (_n, o, _v, _u, index) => {
    y[index] = bias[o]!;
  });
  forEachProduct(layer, shape, (output, input, w) => {
    y[output]! += weight[w]! * x[input]!;
  });
  return y;
}

export function convolveBackward(
  layer: ConvolutionLayer,
  shape: Shape4,
  x: Values,
  weight: Values,
  dy: Values,
): Gradients {
  const gradients = {
    input: new Float64Array(x.length),
    weight: new Float64Array(weight.length),
    bias: new Float64Array(layer.outChannels),
  };
  forEachIndex(outputShape(layer, shape), (_n, o, _v, _u, index) => {
    gradients.bias[o]! += dy[index]!;
  });
  forEachProduct(layer, shape, (output, input, w) => {
    gradients.input[input]! += weight[w]! * dy[output]!;
    gradients.weight[w]! += x[input]! * dy[output]!;
  });
  return gradients;
}

/** For each output of a 2×2 pool, the index of its window's first maximum. */
export function poolPlaces(layer: Layer, [n, c, height, width]: Shape4, x: Values): number[] {
  const places: number[] = [];
  forEachIndex(outputShape(layer, [n, c, height, width]), (image, channel, v, u) => {
    const window = [
      [2 * v, 2 * u],
      [2 * v, 2 * u + 1],
      [2 * v + 1, 2 * u],
      [2 * v + 1, 2 * u + 1],
    ]
      .filter(([h, w]) => h! < height && w! < width)
      .map(([h, w]) => ((image * c + channel) * height + h!) * width + w!);
    const maximum = Math.max(...window.map((place) => x[place]!));
    places.push(window.find((place) => x[place] === maximum)!);
  });
  return places;
}

function lrnScale(
  { size, k, alpha }: LrnLayer,
  [, channels, height, width]: Shape4,
  x: Values,
  index: number,
) {
  const area = height * width;
  const c = Math.floor(index / area) % channels;
  const neighbors: number[] = [];
  for (let j = 0; j < channels; j++) {
    if (Math.abs(j - c) <= (size - 1) / 2) neighbors.push(index + (j - c) * area);
  }
  return { scale: k + alpha * neighbors.reduce((sum, place) => sum + x[place]! ** 2, 0), neighbors };
}

export function normalize(layer: LrnLayer, shape: Shape4, x: Values): Float64Array {
  return Float64Array.from(x, (value, i) => value * lrnScale(layer, shape, x, i).scale ** -layer.beta);
}

/** Uses ∂y_j/∂x_c = [j = c] · s_j^−β − 2αβ · x_j · x_c · s_j^(−β−1), output by output. */
export function normalizeBackward(layer: LrnLayer, shape: Shape4, x: Values, dy: Values): Float64Array {
  const { alpha, beta } = layer;
  const dx = new Float64Array(x.length);
  for (let j = 0; j < x.length; j++) {
    const { scale, neighbors } = lrnScale(layer, shape, x, j);
    dx[j]! += dy[j]! * scale ** -beta;
    for (const c of neighbors) dx[c]! -= 2 * alpha * beta * x[j]! * x[c]! * scale ** (-beta - 1) * dy[j]!;
  }
  return dx;
}

/** Whether dropout keeps value u of an image, as ../../src/kernels/backend.ts defines it. */
export function dropoutKeeps(
  rate: number,
  key: readonly [number, number],
  ordinal: number,
  u: number,
): boolean {
  return threefry2x32(key, ordinal, Math.floor(u / 2))[u % 2]! >= Math.round(rate * 2 ** 32);
}

/** Soft-max cross-entropy and its gradient, for one image. */
export function crossEntropy(logits: readonly number[], label: number): { loss: number; gradient: number[] } {
  const maximum = Math.max(...logits);
  const logSum = maximum + Math.log(logits.reduce((sum, z) => sum + Math.exp(z - maximum), 0));
  return {
    loss: logSum - logits[label]!,
    gradient: logits.map((z, k) => Math.exp(z - logSum) - (k === label ? 1 : 0)),
  };
}
