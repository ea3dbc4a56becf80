import {
  type AdaptivePoolLayer,
  type ConvolutionLayer,
  type Layer,
  type MaxPoolLayer,
  parameterSpecs,
} from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { Backend, Parameters, Program, TrainingProgram } from '../../src/kernels/backend.ts';
import { assertClose, randomTensor } from './tensors.ts';

/** A convolution, by default 3×3, with padding that keeps the size of a map if the kernel is odd. */
export function convolution(
  inChannels: number,
  outChannels: number,
  { kernel = 3, padding, name = 'conv' }: { kernel?: number; padding?: number; name?: string } = {},
): ConvolutionLayer {
  return {
    kind: 'convolution',
    name,
    kernel,
    padding: padding ?? (kernel - 1) >> 1,
    inChannels,
    outChannels,
  };
}

export function relu(name = 'relu'): Layer {
  return { kind: 'relu', name };
}

export function maxPool(rounding: MaxPoolLayer['rounding'] = 'floor', name = 'pool'): MaxPoolLayer {
  return { kind: 'maxPool', name, rounding };
}

/** Pooling of a whole map to `side` × `side`. */
export function adaptivePool(
  method: AdaptivePoolLayer['method'],
  side = 1,
  name = 'pool',
): AdaptivePoolLayer {
  return { kind: 'adaptivePool', name, method, side };
}

export interface ChainCase {
  readonly layers: readonly Layer[];
  /** For a full batch. */
  readonly inputShape: Shape4;
  readonly values: ReadonlyMap<string, Float32Array>;
}

/** Random parameters, scaled so that values stay near 1 along the chain. Biases are not zero. */
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

/** Compiles for inference, calls `use` with the program and parameters, and disposes of both. */
export async function inInference<T>(
  backend: Backend,
  { layers, inputShape, values }: ChainCase,
  use: (program: Program, parameters: Parameters) => Promise<T>,
): Promise<T> {
  const parameters = await createParameters(backend, layers, values, false);
  const program = await backend.compile({ layers, inputShape, parameters });
  const result = await use(program, parameters);
  program.dispose();
  parameters.dispose();
  return result;
}

/** Compiles for training, calls `use` with the program and parameters, and disposes of both. */
export async function inTraining<T>(
  backend: Backend,
  { layers, inputShape, values }: ChainCase,
  use: (program: TrainingProgram, parameters: Parameters) => Promise<T>,
  inputGradient = false,
): Promise<T> {
  const parameters = await createParameters(backend, layers, values);
  const program = await backend.compileTraining({ layers, inputShape, parameters, inputGradient });
  const result = await use(program, parameters);
  program.dispose();
  parameters.dispose();
  return result;
}

/** Returns the output of one run of inference. */
export function runForward(
  backend: Backend,
  testCase: ChainCase,
  input: Float32Array,
): Promise<Float32Array> {
  return inInference(backend, testCase, (program) => program.forward(input));
}

export interface BackwardRun {
  readonly output: Float32Array;
  readonly inputGradient: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Runs once forward and backward, including the input's gradient. */
export function runBackward(
  backend: Backend,
  testCase: ChainCase,
  input: Float32Array,
  outputGradient: Float32Array,
  dropoutKeys?: Uint32Array,
): Promise<BackwardRun> {
  const run = async (program: TrainingProgram, parameters: Parameters): Promise<BackwardRun> => {
    const { output, inputGradient } = await program.backward({ input, dropoutKeys }, outputGradient);
    if (!inputGradient) throw new Error(`${backend.name} gave no gradient of the input`);
    return { output, inputGradient, gradients: await readAll(parameters, 'gradients') };
  };
  return inTraining(backend, testCase, run, true);
}

/** Compares tensors by name. @param what appended to their names in messages */
export function assertAllClose(
  actual: ReadonlyMap<string, Float32Array>,
  expected: ReadonlyMap<string, ArrayLike<number>>,
  tolerance: number,
  what = '',
): void {
  for (const [name, tensor] of expected) assertClose(`${name}${what}`, actual.get(name), tensor, tolerance);
}

export function assertSameRun(run: BackwardRun, expected: BackwardRun, tolerance: number, what = ''): void {
  assertClose(`output${what}`, run.output, expected.output, tolerance);
  assertClose(`input gradient${what}`, run.inputGradient, expected.inputGradient, tolerance);
  assertAllClose(run.gradients, expected.gradients, tolerance, ` gradient${what}`);
}
