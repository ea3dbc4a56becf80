/**
 * What a network answers to a fixed synthetic image: a number that any framework can be compared by.
 *
 * Runs a few layers at a time, and a layer with many weights a part of its outputs at a time, so that next to
 * the model's weights there is little more in memory than the activations.
 */
import { type Layer, parameterSpecs } from '../core/layer.ts';
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

/** Weights given to the backend at once. */
const PART_BYTES = 8 * 2 ** 20;

/** Layers with few weights, or a convolution with what works on each of its channels alone (ReLU, pooling). */
type Step = readonly [Layer, ...Layer[]];

async function runInParts(
  backend: Backend,
  { network, tensors }: Model,
  input: Float32Array,
  inputShape: Shape4,
): Promise<Float32Array> {
  let values = input;
  let shape = inputShape;
  for (const step of stepsOf(network.layers)) {
    const outputs: Float32Array[] = [];
    let channels = 0;
    for (const part of partsOf(step)) {
      const run = await runStep(backend, part, slicesFor(part, tensors, channels), values, shape);
      outputs.push(run.output);
      channels += run.shape[1];
      if (outputs.length === partsOf(step).length) shape = [1, channels, run.shape[2], run.shape[3]];
    }
    values = joined(outputs);
  }
  return values;
}

function stepsOf(layers: readonly Layer[]): Step[] {
  const steps: [Layer, ...Layer[]][] = [];
  for (const layer of layers) {
    if (layer.kind === 'dropout') continue;
    const step = steps.at(-1);
    if (step && (isChannelwise(layer) || weightBytes([...step, layer]) <= PART_BYTES)) step.push(layer);
    else steps.push([layer]);
  }
  return steps;
}

function isChannelwise({ kind }: Layer): boolean {
  return kind === 'relu' || kind === 'maxPool';
}

function weightBytes(layers: readonly Layer[]): number {
  return 4 * parameterSpecs(layers).reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** A step whose weights are large as several, each of a part of its convolution's outputs. */
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
  step: Step,
  tensors: ReadonlyMap<string, Float32Array>,
  first: number,
): Map<string, Float32Array> {
  return new Map(
    parameterSpecs(step).map(({ name, shape }) => {
      const start = (first * elementCount(shape)) / shape[0]!;
      return [name, tensors.get(name)!.subarray(start, start + elementCount(shape))];
    }),
  );
}

async function runStep(
  backend: Backend,
  layers: Step,
  tensors: ReadonlyMap<string, Float32Array>,
  input: Float32Array,
  inputShape: Shape4,
): Promise<{ output: Float32Array; shape: Shape4 }> {
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
