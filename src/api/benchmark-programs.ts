/** The programs that benchmarks run: a forward pass or a training step, on values similar to a real network's. */
import { performance } from 'node:perf_hooks';
import type { Communicator } from '../comm/communicator.ts';
import { deriveKeys, keyOfSeed, RandomStream } from '../core/random.ts';
import { elementCount } from '../core/shape.ts';
import type { Backend, Parameters, Program, TrainingProgram } from '../kernels/backend.ts';
import { cropShape, type Network } from '../net/network.ts';
import { type ExchangeTime, GradientExchange } from '../train/gradient-exchange.ts';

export interface TimedProgram {
  readonly program: Program | TrainingProgram;
  /** Runs the program once. */
  readonly run: () => Promise<Times>;
}

/** Milliseconds that a run and its update took. */
export interface Times {
  readonly total: number;
  readonly update: number;
  /** Present if there are several ranks or GPUs. */
  readonly exchange?: ExchangeTime;
}

const SGD = { learningRate: 1e-6, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 };

export async function prepareInference(
  backend: Backend,
  parameters: Parameters,
  network: Network,
  batch: number,
): Promise<TimedProgram> {
  const inputShape = cropShape(network, batch);
  const program = await backend.compile({ layers: network.layers, inputShape, parameters });
  const input = noise(elementCount(inputShape), 50);
  const run = async (): Promise<Times> => {
    const start = performance.now();
    await program.forward(input);
    return { total: performance.now() - start, update: 0 };
  };
  return { program, run };
}

/** @param batch images of each rank */
export async function prepareTraining(
  backend: Backend,
  parameters: Parameters,
  network: Network,
  batch: number,
  communicator: Communicator,
): Promise<TimedProgram> {
  const inputShape = cropShape(network, batch);
  const program = await backend.compileTraining({ layers: network.layers, inputShape, parameters });
  const step = {
    input: noise(elementCount(inputShape), 50),
    labels: Int32Array.from({ length: batch }, (_, image) => image % network.classes),
    dropoutKeys: Uint32Array.from({ length: 2 * batch }, (_, word) => word),
  };
  const exchange = GradientExchange.between(parameters, communicator, 'float32');
  const onGradients = exchange && ((tensor: number) => exchange.ready(tensor));
  const run = async (): Promise<Times> => {
    const start = performance.now();
    await program.accumulate(step, 1 / (batch * communicator.size), onGradients);
    const exchanged = await exchange?.finish();
    const middle = performance.now();
    await parameters.update(SGD);
    await backend.instruments.finish();
    const end = performance.now();
    return { total: end - start, update: end - middle, exchange: exchanged };
  };
  return { program, run };
}

/** He initialization, with which activations neither explode nor vanish. */
export async function fillWithNoise(parameters: Parameters): Promise<void> {
  for (const { name, shape, role } of parameters.specs) {
    const count = elementCount(shape);
    const deviation = role === 'bias' ? 0 : Math.sqrt((2 * shape[0]!) / count);
    await parameters.write('values', name, noise(count, deviation));
  }
}

/** Normally distributed values from a repeated table: drawing 138 million takes longer than the benchmark. */
function noise(count: number, deviation: number): Float32Array {
  const random = new RandomStream(deriveKeys(keyOfSeed(1), 'benchmark'));
  // An odd number, so that channels and rows do not repeat each other.
  const table = Float32Array.from({ length: Math.min(count, 99_991) }, () => deviation * random.normal());
  const values = new Float32Array(count);
  for (let at = 0; at < count; at += table.length) values.set(table.subarray(0, count - at), at);
  return values;
}
