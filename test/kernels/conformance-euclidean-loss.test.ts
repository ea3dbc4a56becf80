import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Backend } from '../../src/kernels/backend.ts';
import { describeBackends } from '../support/backends.ts';
import { type ChainCase, convolution, inTraining } from '../support/chains.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

interface Batch {
  readonly outputs: Float32Array;
  readonly labels: readonly number[];
  readonly targets: Float32Array;
  readonly weights?: Float32Array;
}

/** The gradient of a bias after identity weights is that of the loss, summed over the images. */
function lossOf(backend: Backend, { outputs, labels, ...batch }: Batch, gradientScale: number) {
  const width = outputs.length / labels.length;
  const identity = Float32Array.from({ length: width ** 2 }, (_, i) => Number(i % (width + 1) === 0));
  const testCase: ChainCase = {
    layers: [convolution(width, width, { kernel: 1, name: 'boxes' })],
    inputShape: [labels.length, width, 1, 1],
    values: new Map([['boxes.weight', identity]]),
  };
  return inTraining(backend, testCase, async (program, parameters) => ({
    ...(await program.accumulate(
      { input: outputs, labels: Int32Array.from(labels), ...batch },
      gradientScale,
    )),
    gradient: await parameters.read('gradients', 'boxes.bias'),
  }));
}

describeBackends('Euclidean loss', (backend, { layerTolerance, representable }) => {
  for (const [title, labels] of Object.entries({
    'one box for all classes': [0, 0, 0],
    'a box per class': [2, 0, 2],
  })) {
    for (const weights of [undefined, Float32Array.of(1, 0.5, 2)]) {
      it(`${title}${weights ? ', weighted' : ''}: half the squared distance, and its gradient`, async () => {
        const width = labels.some(Boolean) ? 12 : 4;
        const outputs = representable(randomTensor(1, [3, width]));
        const targets = randomTensor(2, [3, 4]);
        const outcome = await lossOf(backend, { outputs, labels, targets, weights }, 0.25);
        const losses = new Float64Array(3);
        const gradient = new Float64Array(width);
        for (const [n, label] of labels.entries()) {
          for (let j = 0; j < 4; j++) {
            const difference = outputs[n * width + 4 * label + j]! - targets[4 * n + j]!;
            losses[n]! += ((weights?.[n] ?? 1) / 2) * difference ** 2;
            gradient[4 * label + j]! += 0.25 * (weights?.[n] ?? 1) * difference;
          }
        }
        assertClose('losses', outcome.losses, losses, layerTolerance);
        assertClose('gradient', outcome.gradient, gradient, layerTolerance);
      });
    }
  }

  it('rejects a label without outputs, whole boxes that do not divide, and label smoothing', async () => {
    const outputs = new Float32Array(8);
    const at = (labels: number[], targets: number, labelSmoothing?: number) =>
      lossOf(backend, { outputs, labels, targets: new Float32Array(targets), ...{ labelSmoothing } }, 1);
    await assert.rejects(at([2], 4), /label 2, but labels are from 0 to 1/);
    await assert.rejects(at([0, 1], 7), /as many targets each/);
    await assert.rejects(at([0], 4, 0.1), /label smoothing does not apply/);
  });
});
