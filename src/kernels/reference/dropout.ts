/**
 * Dropout on fc6 and fc7 (section 3.1), scaled in training so that inference is the identity:
 *
 *     y = 0 where the mask drops, else x / (1 − rate)
 *
 * with x and y `[N, C, H, W]`. The gradient is scaled and dropped in the same places.
 */
import type { DropoutLayer } from '../../core/layer.ts';
import { type Key, threefry2x32 } from '../../core/random.ts';

/** Forward and backward alike, as the layer is linear once its masks are drawn. */
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
 * The mask of one image: 1 where a value is kept. Value u takes word u mod 2 of
 * threefry2x32(key, ordinal, ⌊u / 2⌋) and is dropped if that word is below rate · 2^32.
 * @param ordinal which of the chain's dropout layers this is, from 0
 */
function keptValues({ rate }: DropoutLayer, ordinal: number, key: Key, values: number): Uint8Array {
  const threshold = Math.round(rate * 2 ** 32);
  const kept = new Uint8Array(values);
  for (let u = 0; u < values; u += 2) {
    const [even, odd] = threefry2x32(key, ordinal, u / 2);
    kept[u] = even < threshold ? 0 : 1;
    // Past the end of an odd count this write is ignored.
    kept[u + 1] = odd < threshold ? 0 : 1;
  }
  return kept;
}
