/**
 * What a network answers to a fixed synthetic image: a number that any framework can be compared by.
 *
 * Runs a few layers at a time, and a layer with many weights a part of its outputs at a time, so that next to
 * the model's weights there is little more in memory than the activations.
 */
import { type Layer, parameterSpecs, shapesAlong } from '../core/layer.ts';
import { elementCount, type Shape4 } from '../core/shape.ts';
import { wholeImage } from '../data/crop.ts';
import type { RgbImage } from '../data/source.ts';
import type { Backend } from '../kernels/backend.ts';
import { fillParameters } from '../kernels/fill-parameters.ts';
import type { Model } from '../weights/model-file.ts';

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

/** Weights that the backend has at once; a Winograd kernel holds them four times over. */
const PART_BYTES = 4 * 2 ** 20;

/** A few layers with few weights, or a convolution with what works on each of its channels alone (ReLU, pooling). */
type Step = [Layer, ...Layer[]];

async function runInParts(
  backend: Backend,
  { network, tensors }: Model,
  input: Float32Array,
  inputShape: Shape4,
): Promise<Float32Array> {
  const layers = network.layers.filter(({ kind }) => kind !== 'dropout');
  const blockEnd = layers.findIndex(({ kind }) => kind === 'maxPool') + 1;
  let { output, shape } = await runInBands(backend, layers.slice(0, blockEnd), tensors, input, inputShape);
  for (const step of stepsOf(layers.slice(blockEnd))) {
    const outputs: Float32Array[] = [];
    let channels = 0;
    let after = shape;
    for (const part of partsOf(step)) {
      const run = await runLayers(backend, part, slicesFor(part, tensors, channels), output, shape);
      outputs.push(run.output);
      channels += run.shape[1];
      after = run.shape;
    }
    output = joined(outputs);
    shape = [1, channels, after[2], after[3]];
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
  const own = slicesFor(layers, tensors, 0);
  for (let top = 0; top < height; top += BAND_ROWS) {
    const start = Math.max(0, top - HALO_ROWS);
    const end = Math.min(height, top + BAND_ROWS + HALO_ROWS);
    const band = rowsOf(input, [channels, height, width], start, end);
    const run = await runLayers(backend, layers, own, band, [1, channels, end - start, width]);
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

function stepsOf(layers: readonly Layer[]): Step[] {
  const steps: Step[] = [];
  for (const layer of layers) {
    const step = steps.at(-1);
    const joins = layer.kind === 'relu' || layer.kind === 'maxPool';
    if (step && (joins || weightBytes([...step, layer]) <= PART_BYTES)) step.push(layer);
    else steps.push([layer]);
  }
  return steps;
}

function weightBytes(layers: readonly Layer[]): number {
  return 4 * parameterSpecs(layers).reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** A large step as several, each of a part of its convolution's outputs. */
function partsOf(step: Step): Step[] {
  const [layer, ...rest] = step;
  if (layer.kind !== 'convolution' || weightBytes(step) <= PART_BYTES) return [step];
  // Whole blocks of channels, as the backends compute them.
  const most = Math.max(16, Math.floor(PART_BYTES / (weightBytes([layer]) / layer.outChannels) / 16) * 16);
  const parts: Step[] = [];
  for (let first = 0; first < layer.outChannels; first += most) {
    parts.push([{ ...layer, outChannels: Math.min(most, layer.outChannels - first) }, ...rest]);
  }
  return parts;
}

/** The weights of a part, whose first layer begins at output `first`: views of the model's own. */
function slicesFor(
  layers: readonly Layer[],
  tensors: ReadonlyMap<string, Float32Array>,
  first: number,
): Map<string, Float32Array> {
  return new Map(
    parameterSpecs(layers).map(({ name, shape }) => {
      const start = (first * elementCount(shape)) / shape[0]!;
      return [name, tensors.get(name)!.subarray(start, start + elementCount(shape))];
    }),
  );
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

/** One image's maps, channel after channel. */
function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
