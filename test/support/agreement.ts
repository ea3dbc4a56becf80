/** Compares runs of one chain. */
import assert from 'node:assert/strict';
import { shapesAlong } from '../../src/core/layer.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { reference } from './backends.ts';
import { assertSameRun, type ChainCase, runBackward, runForward } from './chains.ts';
import { assertClose, randomTensor } from './tensors.ts';

/**
 * Runs a chain forward and backward on random tensors and compares it with the reference: the output in training and in
 * inference, the input's gradient, and the parameters' gradients.
 * @param kept rounds random tensors to the backend's format. Default: the identity
 */
export async function assertAgreesWithReference(
  backend: Backend,
  testCase: ChainCase,
  tolerance: number,
  seed = 1,
  kept = (tensor: Float32Array) => tensor,
): Promise<void> {
  const { layers, inputShape } = testCase;
  const input = kept(randomTensor(seed, inputShape));
  const outputGradient = kept(randomTensor(seed + 1, shapesAlong(layers, inputShape).at(-1)!));
  const expected = await runBackward(reference, testCase, input, outputGradient);
  assertSameRun(await runBackward(backend, testCase, input, outputGradient), expected, tolerance);
  assertClose('inference output', await runForward(backend, testCase, input), expected.output, tolerance);
}

/** Asserts that the bits do not depend on the number of threads. @param run takes the number of threads */
export async function assertSameForAnyThreads(run: (threads: number) => Promise<unknown>): Promise<void> {
  const one = await run(1);
  for (const threads of [2, 3, 7]) assert.deepEqual(await run(threads), one);
}
