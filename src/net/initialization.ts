import type { ParameterSpec } from '../core/layer.ts';
import { deriveKeys, keyOfSeed, RandomStream } from '../core/random.ts';
import { elementCount } from '../core/shape.ts';
import type { Network } from './network.ts';

/**
 * `gaussian`: N(0, std²) (section 3.1). `glorot`: normal with variance 2 / (fan in + fan out) (Glorot &
 * Bengio 2010), which the authors found to need no pre-training. `he`: normal with variance 2 / fan in (He et al. 2015).
 */
export const initializationMethods = ['glorot', 'gaussian', 'he'] as const;
export type InitializationMethod = (typeof initializationMethods)[number];

export interface Initialization {
  readonly method: InitializationMethod;
  /**
   * Standard deviation of `gaussian` (default 0.01). The paper's "variance 10⁻²" read literally is a
   * standard deviation of 0.1, with which the activations blow up.
   */
  readonly std?: number;
  readonly seed: number;
}

/** Named tensors in canonical layout. */
export type NamedTensors = ReadonlyMap<string, Float32Array>;

/** First values of every parameter: random weights, zero biases. Each tensor has its own random stream. */
export function initialize(network: Network, initialization: Initialization): NamedTensors {
  return new Map(
    network.parameters.map(({ name }) => [name, initializeTensor(network, name, initialization)]),
  );
}

/**
 * First values of one parameter, the same whatever else is initialised.
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
  // In a fully connected layer an input feeds each unit once, however large fc6's kernel is.
  const fanOut = name.startsWith('fc') ? out : out * area;
  return Math.sqrt(2 / (into * area + fanOut));
}
