/**
 * What a network answers to a fixed synthetic image: a number that any framework can be compared by.
 *
 * Runs a layer at a time, the first ones on a part of the image at a time, so that next to the model's weights
 * there is little more in memory.
 */
import { type ConvolutionLayer, type Layer, parameterSpecs, shapesAlong } from '../core/layer.ts';
import { elementCount, type Shape4 } from '../core/shape.ts';
import { wholeImage } from '../data/pixels/crop.ts';
import type { RgbImage } from '../data/sources/source.ts';
import type { Backend } from '../kernels/backend.ts';
import { fillParameters } from '../kernels/fill-parameters.ts';
import type { Model } from '../weights/model/model-file.ts';
import { collectGarbage } from './convert-garbage.ts';

/** Red, green and blue of a pixel: (37 c + 7 y + 13 x + (x · y mod 251)) mod 256, c from 0 to 2. */
export function syntheticImage(side: number): RgbImage {
  const pixels = new Uint8Array(3 * side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < 3; c++) {
        pixels[(y * side + x) * 3 + c] = (37 * c + 7 * y + 13 * x + ((x * y) % 251)) % 256;
      }
    }
  }
  return { width: side, height: side, pixels };
}

/** What the network answers to the synthetic image at its crop: logits, or pool5 where it has no classifier. */
export function parityOutput(backend: Backend, model: Model): Promise<Float32Array> {
  const { crop } = model.network;
  const input = wholeImage(syntheticImage(crop), model.meanRgb);
  return runInParts(backend, model, input, [1, 3, crop, crop]);
}

async function runInParts(
  backend: Backend,
  { network, tensors }: Model,
  input: Float32Array,
  inputShape: Shape4,
): Promise<Float32Array> {
  const layers = network.layers.filter(({ kind }) => kind !== 'dropout');
  const firstEnd = layers.findIndex(({ kind }) => kind === 'maxPool') + 1;
  const featuresEnd = layers.findLastIndex(({ kind }) => kind === 'maxPool') + 1;
  let { output, shape } = await runInBands(backend, layers.slice(0, firstEnd), tensors, input, inputShape);
  collectGarbage();
  for (const step of stepsOf(layers.slice(firstEnd, featuresEnd))) {
    ({ output, shape } = await runInPieces(backend, step, tensors, output, shape));
    collectGarbage();
  }
  for (const layer of layers.slice(featuresEnd)) {
    output =
      layer.kind === 'relu' ? output.map((value) => Math.max(value, 0)) : product(layer, tensors, output);
  }
  return output;
}

/** Weights that a backend is given at once: its Winograd kernels hold them four times over. */
const PIECE_BYTES = 8 * 2 ** 20;

/** A convolution and what follows it, which works on each channel alone; where it is large, some of its outputs at a time. */
async function runInPieces(
  backend: Backend,
  [first, ...rest]: readonly Layer[],
  tensors: ReadonlyMap<string, Float32Array>,
  input: Float32Array,
  inputShape: Shape4,
): Promise<Run> {
  const layer = first as ConvolutionLayer;
  const weight = tensors.get(`${layer.name}.weight`)!;
  const bias = tensors.get(`${layer.name}.bias`)!;
  const each = Math.ceil(layer.outChannels / Math.ceil(weight.byteLength / PIECE_BYTES));
  const pieces: Run[] = [];
  for (let start = 0; start < layer.outChannels; start += each) {
    const end = Math.min(start + each, layer.outChannels);
    const size = weight.length / layer.outChannels;
    const own = new Map([
      [`${layer.name}.weight`, weight.subarray(start * size, end * size)],
      [`${layer.name}.bias`, bias.subarray(start, end)],
    ]);
    const piece = { ...layer, outChannels: end - start };
    pieces.push(await runLayers(backend, [piece, ...rest], own, input, inputShape));
  }
  const [, , height, width] = pieces[0]!.shape;
  const output = new Float32Array(layer.outChannels * height * width);
  for (const [index, piece] of pieces.entries()) output.set(piece.output, index * each * height * width);
  return { output, shape: [1, layer.outChannels, height, width] };
}

/** Each convolution with what follows it. */
function stepsOf(layers: readonly Layer[]): Layer[][] {
  const steps: Layer[][] = [];
  for (const layer of layers) {
    if (layer.kind === 'convolution') steps.push([layer]);
    else steps.at(-1)!.push(layer);
  }
  return steps;
}

/**
 * A fully connected layer of one image, y = W x + b, in float64: a backend would hold these weights, nine
 * tenths of the network's, a second time.
 */
function product(
  layer: Layer,
  tensors: ReadonlyMap<string, Float32Array>,
  input: Float32Array,
): Float32Array {
  const weight = tensors.get(`${layer.name}.weight`)!;
  const output = tensors.get(`${layer.name}.bias`)!.slice();
  for (let o = 0; o < output.length; o++) {
    let sum = output[o]!;
    const row = o * input.length;
    for (let i = 0; i < input.length; i++) sum += weight[row + i]! * input[i]!;
    output[o] = sum;
  }
  return output;
}

/** Rows of the image computed at once, an even number. */
const BAND_ROWS = 32;
/** How far the first block's convolutions see beyond a row (two of 3×3 or one of 5×5), even as the pooling is. */
const HALO_ROWS = 2;

/**
 * The first block, whose maps are the largest, band by band: a band is computed with a few rows more on both
 * sides, and what those give, which is wrong at the cut, is left out.
 */
async function runInBands(
  backend: Backend,
  layers: readonly Layer[],
  tensors: ReadonlyMap<string, Float32Array>,
  input: Float32Array,
  [, channels, height, width]: Shape4,
): Promise<Run> {
  const shape = shapesAlong(layers, [1, channels, height, width]).at(-1)!;
  const [, outChannels, outHeight, outWidth] = shape;
  const output = new Float32Array(elementCount(shape));
  for (let top = 0; top < height; top += BAND_ROWS) {
    const start = Math.max(0, top - HALO_ROWS);
    const end = Math.min(height, top + BAND_ROWS + HALO_ROWS);
    const band = rowsOf(input, [channels, height, width], start, end);
    const run = await runLayers(backend, layers, tensors, band, [1, channels, end - start, width]);
    const firstRow = (top - start) / 2;
    const rows = Math.min(BAND_ROWS / 2, outHeight - top / 2);
    const kept = rowsOf(run.output, [outChannels, run.shape[2], outWidth], firstRow, firstRow + rows);
    for (let c = 0; c < outChannels; c++) {
      const map = kept.subarray(c * rows * outWidth, (c + 1) * rows * outWidth);
      output.set(map, (c * outHeight + top / 2) * outWidth);
    }
  }
  return { output, shape };
}

/** Rows of `[channels, height, width]`. */
function rowsOf(
  values: Float32Array,
  [channels, height, width]: readonly [number, number, number],
  start: number,
  end: number,
): Float32Array {
  const rows = new Float32Array(channels * (end - start) * width);
  for (let c = 0; c < channels; c++) {
    const map = values.subarray((c * height + start) * width, (c * height + end) * width);
    rows.set(map, c * (end - start) * width);
  }
  return rows;
}

interface Run {
  readonly output: Float32Array;
  readonly shape: Shape4;
}

async function runLayers(
  backend: Backend,
  layers: readonly Layer[],
  tensors: ReadonlyMap<string, Float32Array>,
  input: Float32Array,
  inputShape: Shape4,
): Promise<Run> {
  const parameters = backend.createParameters(parameterSpecs(layers), { training: false });
  try {
    await fillParameters(parameters, tensors);
    const program = await backend.compile({ layers, inputShape, parameters });
    try {
      return { output: await program.forward(input), shape: program.outputShape };
    } finally {
      program.dispose();
    }
  } finally {
    parameters.dispose();
  }
}
