import type { ParameterSpec } from '../core/layer.ts';
import { deriveKeys, keyOfSeed, RandomStream } from '../core/random.ts';
import { elementCount } from '../core/shape.ts';
import type { Network } from './network.ts';

/**
 * `glorot`: normal with variance 2 / (fan in + fan out) (Glorot & Bengio 2010), with which the authors needed no
 * pre-training. `gaussian`: N(0, std²) (section 3.1). `he`: normal with variance 2 / fan in (He et al. 2015).
 */
export const initializationMethods = ['glorot', 'gaussian', 'he'] as const;
export type InitializationMethod = (typeof initializationMethods)[number];

/** How the weights of a network are drawn; biases start at 0. */
export interface Initialization {
  readonly method: InitializationMethod;
  /**
   * Standard deviation of `gaussian` (default 0.01). The paper's "variance 10⁻²" taken literally is a standard
   * deviation of 0.1, with which the activations explode.
   */
  readonly std?: number;
  /** The same seed gives the same weights. */
  readonly seed: number;
}

/** Tensors by name (`conv1_1.weight`), in canonical layout: `[out, in, height, width]` for weights, `[out]` for biases. */
export type NamedTensors = ReadonlyMap<string, Float32Array>;

/**
 * Initial values of every parameter: random weights and zero biases. Each tensor has its own random stream, so that it
 * does not depend on the others.
 * @example
 * const tensors = initialize(buildNetwork({ configuration: 'A' }), { method: 'glorot', seed: 1 });
 * tensors.get('conv1_1.weight').length; // 64 × 3 × 3 × 3
 */
export function initialize(network: Network, initialization: Initialization): NamedTensors {
  return new Map(
    network.parameters.map(({ name }) => [name, initializeTensor(network, name, initialization)]),
  );
}

/**
 * Initial values of one parameter, the same as `initialize` gives.
 * @throws RangeError when the network has no such parameter.
 */
export function initializeTensor(
  network: Network,
  name: string,
  { method, std = 0.01, seed }: Initialization,
): Float32Array {
  const spec = network.parameters.find((parameter) => parameter.name === name);
  if (!spec) throw new RangeError(`network ${network.configuration} has no parameter ${name}`);
  const values = new Float32Array(elementCount(spec.shape));
  if (spec.role === 'bias') return values;
  const deviation = method === 'gaussian' ? std : fanDeviation(method, spec);
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'initialization', name));
  for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal();
  return values;
}

function fanDeviation(method: 'glorot' | 'he', { name, shape }: ParameterSpec): number {
  const [out = 1, into = 1, ...kernel] = shape;
  const area = elementCount(kernel);
  if (method === 'he') return Math.sqrt(2 / (into * area));
  // In a fully connected layer each input feeds each unit once, whatever fc6's kernel size.
  const fanOut = name.startsWith('fc') ? out : out * area;
  return Math.sqrt(2 / (into * area + fanOut));
}
