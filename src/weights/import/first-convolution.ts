/** conv1_1 between a file's convention and ours: channels swapped and multiplied (see preprocessing.ts). */
import { channelFactors, type Preprocessing } from './preprocessing.ts';

/** Weights `[out, 3, k, k]` for BGR as weights for RGB, or the other way round, in place. */
export function swapRedAndBlue(weight: Float32Array, outputs: number): void {
  const area = weight.length / outputs / 3;
  for (let o = 0; o < outputs; o++) {
    const red = weight.subarray(o * 3 * area, (o * 3 + 1) * area);
    const blue = weight.subarray((o * 3 + 2) * area, (o * 3 + 3) * area);
    const kept = red.slice();
    red.set(blue);
    blue.set(kept);
  }
}

/**
 * Multiplies weights `[out, 3, k, k]` for RGB in place, or divides them.
 * @returns whether anything changed
 */
export function multiplyChannels(
  weight: Float32Array,
  outputs: number,
  preprocessing: Preprocessing,
  direction: 'multiply' | 'divide',
): boolean {
  const factors = channelFactors(preprocessing);
  if (factors.every((factor) => factor === 1)) return false;
  const area = weight.length / outputs / 3;
  for (let i = 0; i < weight.length; i++) {
    const factor = factors[Math.floor(i / area) % 3]!;
    weight[i] = direction === 'multiply' ? weight[i]! * factor : weight[i]! / factor;
  }
  return true;
}
