/** The two layers that work value by value and keep the shape. */
import type { DropoutLayer } from '../../core/layer.ts';
import { type Key, threefry2x32 } from '../../core/random.ts';

/**
 * The rectifier after every hidden layer (section 2.1): y = max(x, 0). NaN stays NaN, so that a diverging run shows it.
 * @returns y
 */
export function reluForward(input: Float32Array): Float32Array {
  return input.map((x) => Math.max(x, 0));
}

/** ∂L/∂x = ∂L/∂y where x > 0, else 0; so it is 0 at the kink, x = 0. */
export function reluBackward(input: Float32Array, outputGradient: Float32Array): Float32Array {
  return outputGradient.map((gradient, i) => (input[i]! > 0 ? gradient : 0));
}

/**
 * Dropout on fc6 and fc7 (section 3.1), scaled in training so that inference is the identity: y = 0 where the mask
 * drops a value, else x / (1 − rate). The gradient is dropped and scaled in the same way, so one function serves both
 * directions.
 * @param ordinal index of this layer among the chain's dropout layers
 * @param tensor `[N, C, H, W]`
 */
export function applyDropout(
  layer: DropoutLayer,
  ordinal: number,
  tensor: Float32Array,
  keys: Uint32Array | undefined,
): Float32Array {
  if (!keys) return tensor.slice();
  const images = keys.length / 2;
  const values = tensor.length / images;
  const result = new Float32Array(tensor.length);
  for (let n = 0; n < images; n++) {
    const kept = keptValues(layer, ordinal, [keys[2 * n]!, keys[2 * n + 1]!], values);
    for (let u = 0; u < values; u++) {
      if (kept[u]) result[n * values + u] = tensor[n * values + u]! / (1 - layer.rate);
    }
  }
  return result;
}

/**
 * The mask of one image: 1 where a value is kept. Value u is dropped if word u mod 2 of
 * threefry2x32(key, ordinal, ⌊u / 2⌋) is below rate · 2^32.
 */
function keptValues({ rate }: DropoutLayer, ordinal: number, key: Key, values: number): Uint8Array {
  const threshold = Math.round(rate * 2 ** 32);
  const kept = new Uint8Array(values);
  for (let u = 0; u < values; u += 2) {
    const [even, odd] = threefry2x32(key, ordinal, u / 2);
    kept[u] = even < threshold ? 0 : 1;
    // If the count is odd, the last write is past the end and has no effect.
    kept[u + 1] = odd < threshold ? 0 : 1;
  }
  return kept;
}
