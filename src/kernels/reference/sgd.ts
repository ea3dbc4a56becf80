/**
 * Mini-batch gradient descent with momentum and weight decay (section 3.1), in the form of Caffe, as the authors used
 * it:
 *
 *     v ← momentum · v − learningRate · (g + decay · w),   w ← w + v
 *
 * The velocity includes the learning rate: after the rate drops, the old velocity continues at the old rate. (PyTorch
 * keeps the rate outside of the velocity, so the two differ whenever the rate drops.)
 */
import type { SgdStep } from '../backend.ts';

/** Takes one step for one tensor, in place. All arrays have the same length. */
export function sgdStep(
  { learningRate, momentum }: Pick<SgdStep, 'learningRate' | 'momentum'>,
  decay: number,
  values: Float32Array,
  gradients: Float32Array,
  velocities: Float32Array,
): void {
  for (let i = 0; i < values.length; i++) {
    const gradient = gradients[i]! + decay * values[i]!;
    velocities[i] = momentum * velocities[i]! - learningRate * gradient;
    values[i]! += velocities[i]!;
  }
}
