import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Layer } from '../../src/core/layer.ts';
import type { Backend, LossOutcome } from '../../src/kernels/backend.ts';
import { describeBackends } from '../support/backends.ts';
import { type ChainCase, convolution, inTraining } from '../support/chains.ts';
import { crossEntropy } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

/** If its weights are the identity, the gradient of its bias is that of the loss, summed over the images. */
function scores(classes: number): Layer {
  return convolution(classes, classes, { kernel: 1, name: 'scores' });
}

function lossOf(
  backend: Backend,
  rows: readonly (readonly number[])[],
  labels: readonly number[],
  gradientScale: number,
): Promise<LossOutcome & { biasGradient: Float32Array; weightGradient: Float32Array }> {
  const classes = rows[0]!.length;
  const identity = Float32Array.from({ length: classes ** 2 }, (_, i) =>
    Math.floor(i / classes) === i % classes ? 1 : 0,
  );
  const testCase: ChainCase = {
    layers: [scores(classes)],
    inputShape: [rows.length, classes, 1, 1],
    values: new Map([['scores.weight', identity]]),
  };
  const input = Float32Array.from(rows.flat());
  return inTraining(backend, testCase, async (program, parameters) => ({
    ...(await program.accumulate({ input, labels: Int32Array.from(labels) }, gradientScale)),
    biasGradient: await parameters.read('gradients', 'scores.bias'),
    weightGradient: await parameters.read('gradients', 'scores.weight'),
  }));
}

const CASES: Record<string, { rows: readonly (readonly number[])[]; labels: readonly number[] }> = {
  'two classes': { rows: [[0.5, -1]], labels: [1] },
  'equal scores': { rows: [[3, 3, 3, 3]], labels: [2] },
  'random scores': {
    rows: Array.from({ length: 5 }, (_, n) => Array.from(randomTensor(n, [17], 3))),
    labels: [0, 16, 8, 3, 3],
  },
  'large scores, right and wrong': {
    rows: [
      [1e4, -1e4, 0],
      [1e4, -1e4, 0],
      [-1e4, -1e4 + 1, -1e4 + 2],
      [3e4, 3e4, 3e4],
    ],
    labels: [0, 1, 2, 1],
  },
  'a thousand classes': {
    rows: [Array.from(randomTensor(9, [1000], 5)), Array.from(randomTensor(10, [1000], 0.01))],
    labels: [999, 0],
  },
};

describeBackends('soft-max cross-entropy', (backend, { layerTolerance, representable }) => {
  for (const [title, { rows: scores, labels }] of Object.entries(CASES)) {
    it(title, async () => {
      const rows = scores.map((row) => Array.from(representable(Float32Array.from(row))));
      const scale = 0.25;
      const outcome = await lossOf(backend, rows, labels, scale);
      assertClose('logits', outcome.logits, Float32Array.from(rows.flat()), layerTolerance);
      // The backend's scores are float32.
      const expected = rows.map((row, n) => crossEntropy(row.map(Math.fround), labels[n]!));
      for (const [n, { loss }] of expected.entries()) {
        // Subtracting two scores leaves an error from rounding them (6e-8 of the largest).
        const largest = Math.max(1, ...rows[n]!.map(Math.abs));
        const difference = Math.abs(outcome.losses[n]! - loss);
        assert.ok(difference <= 3e-7 * largest, `loss of image ${n}: ${outcome.losses[n]}, not ${loss}`);
      }
      const classes = rows[0]!.length;
      const gradient = Float64Array.from({ length: classes }, (_, k) =>
        expected.reduce((sum, image) => sum + scale * image.gradient[k]!, 0),
      );
      assertClose('gradient', outcome.biasGradient, gradient, layerTolerance);
      const outer = Float64Array.from({ length: classes ** 2 }, (_, i) =>
        expected.reduce(
          (sum, image, n) => sum + scale * image.gradient[Math.floor(i / classes)]! * rows[n]![i % classes]!,
          0,
        ),
      );
      assertClose('weight gradient', outcome.weightGradient, outer, layerTolerance);
    });
  }

  it('a small loss of a confident network is not lost to rounding', async () => {
    const { losses } = await lossOf(backend, [[12, 0]], [0], 1);
    const exact = Math.log1p(Math.exp(-12));
    assert.ok(Math.abs(losses[0]! - exact) < 2e-6, `${losses[0]}, not ${exact}`);
  });

  it('scales the gradient, not the losses', async () => {
    const once = await lossOf(backend, [[1, 2, 3]], [0], 1);
    const half = await lossOf(backend, [[1, 2, 3]], [0], 0.5);
    assert.deepEqual(half.losses, once.losses);
    const halved = once.biasGradient.map((g) => g / 2);
    assertClose('gradient', half.biasGradient, halved, layerTolerance);
  });

  it('starts from ln(classes) with zero parameters, as a fresh network does', async () => {
    const testCase: ChainCase = { layers: [scores(7)], inputShape: [2, 7, 1, 1], values: new Map() };
    const batch = { input: randomTensor(1, [2, 7]), labels: Int32Array.of(0, 6) };
    const { losses } = await inTraining(backend, testCase, (program) => program.accumulate(batch, 1));
    assertClose('losses', losses, [Math.log(7), Math.log(7)], layerTolerance);
  });
});
