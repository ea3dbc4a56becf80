import type { Layer } from '../../src/core/layer.ts';
import { elementCount } from '../../src/core/shape.ts';
import type { Backend, ParameterField, SgdStep } from '../../src/kernels/backend.ts';
import { type ChainCase, chainCase, createParameters, readAll } from './chains.ts';
import { randomTensor } from './tensors.ts';

export const CLASSES = 5;
export const STEP: SgdStep = { learningRate: 0.05, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 };

/** A small network with every kind of layer; a crop of 8 gives one score vector. */
export function smallNetwork(): Layer[] {
  const convolution = (
    name: string,
    kernel: number,
    padding: number,
    inChannels: number,
    outChannels: number,
  ): Layer => ({ kind: 'convolution', name, kernel, padding, inChannels, outChannels });
  return [
    convolution('conv1', 3, 1, 3, 17),
    { kind: 'relu', name: 'relu1' },
    { kind: 'lrn', name: 'norm1', size: 5, k: 2, alpha: 1e-2, beta: 0.75 },
    { kind: 'maxPool', name: 'pool1', rounding: 'floor' },
    convolution('conv2', 3, 1, 17, 20),
    { kind: 'relu', name: 'relu2' },
    { kind: 'maxPool', name: 'pool2', rounding: 'floor' },
    convolution('fc6', 2, 0, 20, 24),
    { kind: 'relu', name: 'relu6' },
    { kind: 'dropout', name: 'drop6', rate: 0.5 },
    convolution('fc7', 1, 0, 24, CLASSES),
  ];
}

export function network(batch: number): ChainCase {
  return chainCase(smallNetwork(), [batch, 3, 8, 8], 42);
}

export function images(count: number, seed = 1): Float32Array {
  return randomTensor(seed, [count, 3, 8, 8]);
}

export function labelsFor(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (3 * i) % CLASSES);
}

export const IMAGE = elementCount([3, 8, 8]);

/**
 * Trains `network(4)` for a step by each backend, each going on from what the one before left.
 * @returns the losses of each step's four images
 */
export async function lossesOfSteps(backends: readonly Backend[]): Promise<number[]> {
  const { layers, inputShape, values } = network(4);
  const losses: number[] = [];
  let state = new Map<ParameterField, ReadonlyMap<string, Float32Array>>([['values', values]]);
  for (const backend of backends) {
    const parameters = await createParameters(backend, layers, new Map());
    for (const [field, tensors] of state) {
      for (const [name, data] of tensors) await parameters.write(field, name, data);
    }
    const program = await backend.compileTraining({ layers, inputShape, parameters });
    const outcome = await program.accumulate({ input: images(4), labels: labelsFor(4) }, 1 / 4);
    losses.push(...outcome.losses);
    await parameters.update(STEP);
    state = new Map();
    for (const field of ['values', 'velocities'] as const) state.set(field, await readAll(parameters, field));
    program.dispose();
    parameters.dispose();
  }
  return losses;
}
