import type { ParameterSpec } from '../core/layer.ts';
import { deriveKeys, keyOfSeed, RandomStream } from '../core/random.ts';
import { elementCount } from '../core/shape.ts';
import type { Network } from './network.ts';

/**
 * `glorot`: normal with variance 2 / (fan in + fan out) (Glorot & Bengio 2010), with which the authors needed no
 * pre-training. `gaussian`: N(0, std²) (section 3.1). `he`: normal with variance 2 / fan in (He et al. 2015),
 * divided by a factor that each layer has a share in, because He's derivation assumes input of variance 1 and the paper's
 * input, 0 to 255 less the mean, has about 5,000. `he-unscaled`: without this factor, as `he` was before 0.3; it diverges
 * at the paper's learning rate.
 */
export const initializationMethods = ['glorot', 'gaussian', 'he', 'he-unscaled'] as const;
export type InitializationMethod = (typeof initializationMethods)[number];

/** How the weights of a network are drawn; biases start at 0. */
export interface Initialization {
  readonly method: InitializationMethod;
  /**
   * Standard deviation of `gaussian` (default 0.01). The paper's "variance 10⁻²" taken literally is a standard
   * deviation of 0.1, with which the activations explode.
   */
  readonly std?: number;
  /**
   * Standard deviation of the network's input, in units of 0–255, for `he` (default: `TYPICAL_INPUT_STD`). Training takes
   * that of its images.
   */
  readonly inputStd?: number;
  /** The same seed gives the same weights. */
  readonly seed: number;
}

/** Standard deviation of the RGB values of photographs around their mean, in units of 0–255. */
export const TYPICAL_INPUT_STD = 68;

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
  initialization: Initialization,
): Float32Array {
  const parts = drawTensor(network, name, initialization);
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
  }
}

/** Values that are drawn at a time: some hundredths of a second. */
const PART = 2 ** 18;

/**
 * The same in parts, since the hundred million values of fc6 take seconds: yields how many values each part has.
 * @throws RangeError when the network has no such parameter.
 */
export function* drawTensor(
  network: Network,
  name: string,
  { method, std = 0.01, inputStd = TYPICAL_INPUT_STD, seed }: Initialization,
): Generator<number, Float32Array> {
  const spec = network.parameters.find((parameter) => parameter.name === name);
  if (!spec) throw new RangeError(`network ${network.configuration} has no parameter ${name}`);
  const values = new Float32Array(elementCount(spec.shape));
  if (spec.role === 'bias') return values;
  const unscaled = method === 'gaussian' ? std : fanDeviation(method, spec);
  // ReLU networks are homogeneous: dividing conv1_1 by inputStd, or each of the L layers by inputStd^(1/L), gives the same
  // function. But a gradient step changes a layer's weights, in proportion to their size, by the square of what they were
  // divided by. Divided by 70, conv1_1 alone would move 4,900 times as fast as the others, and training diverges.
  const divisor = method === 'he' ? Math.max(1, inputStd) ** (1 / network.weightLayers) : 1;
  const deviation = unscaled / divisor;
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'initialization', name));
  for (let at = 0; at < values.length; at += PART) {
    const part = values.subarray(at, at + PART);
    fillNormally(part, random, deviation);
    yield part.length;
  }
  return values;
}

function fillNormally(values: Float32Array, random: RandomStream, deviation: number): void {
  for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal();
}

function fanDeviation(
  method: Exclude<InitializationMethod, 'gaussian'>,
  { name, shape }: ParameterSpec,
): number {
  const [out = 1, into = 1, ...kernel] = shape;
  const area = elementCount(kernel);
  if (method !== 'glorot') return Math.sqrt(2 / (into * area));
  // In a fully connected layer each input feeds each unit once, whatever fc6's kernel size.
  const fanOut = name.startsWith('fc') ? out : out * area;
  return Math.sqrt(2 / (into * area + fanOut));
}
