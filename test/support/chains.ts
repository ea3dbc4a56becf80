import { type Layer, parameterSpecs } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { Backend, Parameters } from '../../src/kernels/backend.ts';
import { randomTensor } from './tensors.ts';

export interface ChainCase {
  readonly layers: readonly Layer[];
  /** Of a full batch. */
  readonly inputShape: Shape4;
  readonly values: ReadonlyMap<string, Float32Array>;
}

/** Random parameters at a scale that keeps values near 1 along the chain; the biases are not zero. */
export function randomValues(layers: readonly Layer[], seed: number): Map<string, Float32Array> {
  return new Map(
    parameterSpecs(layers).map(({ name, shape, role }, index) => {
      const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
      const deviation = role === 'bias' ? 0.3 : Math.sqrt(2 / fanIn);
      return [name, randomTensor(seed + 1000 * index, shape, deviation)];
    }),
  );
}

export function chainCase(layers: readonly Layer[], inputShape: Shape4, seed: number): ChainCase {
  return { layers, inputShape, values: randomValues(layers, seed) };
}

export async function createParameters(
  backend: Backend,
  layers: readonly Layer[],
  values: ReadonlyMap<string, Float32Array>,
  training = true,
): Promise<Parameters> {
  const parameters = backend.createParameters(parameterSpecs(layers), { training });
  for (const [name, data] of values) await parameters.write('values', name, data);
  return parameters;
}

export async function readAll(
  parameters: Parameters,
  field: 'values' | 'gradients' | 'velocities',
): Promise<Map<string, Float32Array>> {
  const tensors = new Map<string, Float32Array>();
  for (const { name } of parameters.specs) tensors.set(name, await parameters.read(field, name));
  return tensors;
}

/** Compiles for inference, runs once, disposes. */
export async function runForward(
  backend: Backend,
  { layers, inputShape, values }: ChainCase,
  input: Float32Array,
): Promise<Float32Array> {
  const parameters = await createParameters(backend, layers, values, false);
  const program = await backend.compile({ layers, inputShape, parameters });
  const output = await program.forward(input);
  program.dispose();
  parameters.dispose();
  return output;
}

export interface BackwardRun {
  readonly output: Float32Array;
  readonly inputGradient: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Compiles for training with the input's gradient, goes forward and back once, disposes. */
export async function runBackward(
  backend: Backend,
  { layers, inputShape, values }: ChainCase,
  input: Float32Array,
  outputGradient: Float32Array,
  dropoutKeys?: Uint32Array,
): Promise<BackwardRun> {
  const parameters = await createParameters(backend, layers, values);
  const program = await backend.compileTraining({ layers, inputShape, parameters, inputGradient: true });
  const batch = dropoutKeys ? { input, dropoutKeys } : { input };
  const { output, inputGradient } = await program.backward(batch, outputGradient);
  const gradients = await readAll(parameters, 'gradients');
  program.dispose();
  parameters.dispose();
  if (!inputGradient) throw new Error(`${backend.name} gave no gradient of the input`);
  return { output, inputGradient, gradients };
}
