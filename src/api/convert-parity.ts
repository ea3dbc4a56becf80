/**
 * What a network answers to a fixed synthetic image: a number that any framework can be compared by.
 *
 * Runs layer by layer, and a layer with many weights a part of its outputs at a time, so that next to the
 * weights there is little more in memory than the activations.
 */
import type { ConvolutionLayer, Layer } from '../core/layer.ts';
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
const PART_BYTES = 16 * 2 ** 20;

async function runInParts(
  backend: Backend,
  { network, tensors }: Model,
  input: Float32Array,
  inputShape: Shape4,
): Promise<Float32Array> {
  let values = input;
  let shape = inputShape;
  for (const layer of network.layers) {
    if (layer.kind === 'dropout') continue;
    const parts = layer.kind === 'convolution' ? partsOf(layer) : [layer];
    const outputs: Float32Array[] = [];
    let first = 0;
    for (const part of parts) {
      const own = part.kind === 'convolution' ? slices(part, layer.name, tensors, first) : new Map();
      const run = await runLayer(backend, part, own, values, shape);
      outputs.push(run.output);
      if (part.kind === 'convolution') first += part.outChannels;
      if (part === parts.at(-1)) {
        shape = [1, part.kind === 'convolution' ? first : run.shape[1], run.shape[2], run.shape[3]];
      }
    }
    values = joined(outputs);
  }
  return values;
}

/** A convolution as several of fewer outputs. */
function partsOf(layer: ConvolutionLayer): ConvolutionLayer[] {
  const bytesAnOutput = 4 * layer.inChannels * layer.kernel ** 2;
  // Whole blocks of channels, as the backends compute them.
  const most = Math.max(16, Math.floor(PART_BYTES / bytesAnOutput / 16) * 16);
  const parts: ConvolutionLayer[] = [];
  for (let first = 0; first < layer.outChannels; first += most) {
    parts.push({ ...layer, outChannels: Math.min(most, layer.outChannels - first) });
  }
  return parts;
}

function slices(
  part: ConvolutionLayer,
  name: string,
  tensors: ReadonlyMap<string, Float32Array>,
  first: number,
): Map<string, Float32Array> {
  const size = part.inChannels * part.kernel ** 2;
  const last = first + part.outChannels;
  return new Map([
    [`${name}.weight`, tensors.get(`${name}.weight`)!.subarray(first * size, last * size)],
    [`${name}.bias`, tensors.get(`${name}.bias`)!.subarray(first, last)],
  ]);
}

async function runLayer(
  backend: Backend,
  layer: Layer,
  tensors: ReadonlyMap<string, Float32Array>,
  input: Float32Array,
  inputShape: Shape4,
): Promise<{ output: Float32Array; shape: Shape4 }> {
  const specs = [...tensors].map(([name, { length }]) => {
    if (layer.kind !== 'convolution' || name.endsWith('.bias'))
      return { name, shape: [length], role: 'bias' as const };
    return {
      name,
      shape: [layer.outChannels, layer.inChannels, layer.kernel, layer.kernel],
      role: 'weight' as const,
    };
  });
  const parameters = backend.createParameters(specs, { training: false });
  try {
    await fillParameters(parameters, tensors);
    const program = await backend.compile({ layers: [layer], inputShape, parameters });
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
  const all = new Float32Array(parts.reduce((sum, part) => sum + elementCount([part.length]), 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
