import type { Layer } from '../../src/core/layer.ts';
import { elementCount } from '../../src/core/shape.ts';
import type { Backend, ParameterField, SgdStep } from '../../src/kernels/backend.ts';
import { type ChainCase, chainCase, convolution, inTraining, maxPool, readAll, relu } from './chains.ts';
import { randomTensor } from './tensors.ts';

export const CLASSES = 5;
export const STEP: SgdStep = { learningRate: 0.05, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 };

/** A small network with every kind of layer. A crop of 8 gives one score vector. */
export function smallNetwork(): Layer[] {
  return [
    convolution(3, 17, { name: 'conv1' }),
    relu('relu1'),
    { kind: 'lrn', name: 'norm1', size: 5, k: 2, alpha: 1e-2, beta: 0.75 },
    maxPool('floor', 'pool1'),
    convolution(17, 20, { name: 'conv2' }),
    relu('relu2'),
    maxPool('floor', 'pool2'),
    convolution(20, 24, { kernel: 2, name: 'fc6' }),
    relu('relu6'),
    { kind: 'dropout', name: 'drop6', rate: 0.5 },
    convolution(24, CLASSES, { kernel: 1, name: 'fc7' }),
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
 * Trains `network(4)` for one step on each backend, each continuing from the previous one.
 * @returns the losses of each step's four images
 */
export async function lossesOfSteps(backends: readonly Backend[]): Promise<number[]> {
  const testCase = network(4);
  const losses: number[] = [];
  let state = new Map<ParameterField, ReadonlyMap<string, Float32Array>>([['values', testCase.values]]);
  for (const backend of backends) {
    await inTraining(backend, { ...testCase, values: new Map() }, async (program, parameters) => {
      for (const [field, tensors] of state) {
        for (const [name, data] of tensors) await parameters.write(field, name, data);
      }
      const outcome = await program.accumulate({ input: images(4), labels: labelsFor(4) }, 1 / 4);
      losses.push(...outcome.losses);
      await parameters.update(STEP);
      state = new Map();
      for (const field of ['values', 'velocities'] as const) {
        state.set(field, await readAll(parameters, field));
      }
    });
  }
  return losses;
}
