import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { DropoutLayer, Layer } from '../../src/core/layer.ts';
import { threefry2x32 } from '../../src/core/random.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import { describeBackends } from '../support/backends.ts';
import { chainCase, convolution, relu, runBackward, runForward } from '../support/chains.ts';
import { dropoutKeeps } from '../support/oracle.ts';
import { assertClose, dropoutKeysFor, randomTensor } from '../support/tensors.ts';

const SHAPES: readonly Shape4[] = [
  [1, 1, 1, 1],
  [2, 5, 3, 3],
  [3, 17, 1, 1],
  [2, 4, 4, 5],
  [1, 300, 1, 1],
  [2, 33, 3, 5],
];

/** Whether the given dropout layer keeps each value. */
function mask(rate: number, ordinal: number, shape: Shape4, keys: Uint32Array): boolean[] {
  const values = elementCount(shape) / shape[0];
  return Array.from({ length: elementCount(shape) }, (_, i) => {
    const image = Math.floor(i / values);
    return dropoutKeeps(rate, [keys[2 * image]!, keys[2 * image + 1]!], ordinal, i % values);
  });
}

function nonZero(tensor: Float32Array): boolean[] {
  return Array.from(tensor, (value) => value !== 0);
}

function dropout(rate: number, name = 'drop'): DropoutLayer {
  return { kind: 'dropout', name, rate };
}

describeBackends('dropout', (backend, { layerTolerance, representable }) => {
  for (const rate of [0.5, 0.3, 0.999, 0]) {
    for (const shape of SHAPES) {
      it(`masks, bit for bit: rate ${rate}, ${formatShape(shape)}`, async () => {
        const keys = dropoutKeysFor(shape[0]);
        // No input is 0, so zeros in the output are the mask.
        const input = randomTensor(1, shape).map((x) => Math.sign(x) + x);
        const outputGradient = randomTensor(2, shape).map((x) => Math.sign(x) + x);
        const kept = mask(rate, 0, shape, keys);
        const testCase = chainCase([dropout(rate)], shape, 0);
        const run = await runBackward(backend, testCase, input, outputGradient, keys);
        assert.deepEqual(nonZero(run.output), kept);
        assert.deepEqual(nonZero(run.inputGradient), kept);
        const scaled = (tensor: Float32Array) => tensor.map((x, i) => (kept[i] ? x / (1 - rate) : 0));
        assertClose('output', run.output, scaled(input), layerTolerance);
        assertClose('input gradient', run.inputGradient, scaled(outputGradient), layerTolerance);
      });
    }
  }

  it('compares the word with the rate exactly', async () => {
    const shape: Shape4 = [1, 6, 1, 1];
    const keys = dropoutKeysFor(1);
    const ones = new Float32Array(6).fill(1);
    for (let u = 0; u < 6; u++) {
      const word = threefry2x32([keys[0]!, keys[1]!], 0, Math.floor(u / 2))[u % 2]!;
      for (const [threshold, kept] of [
        [word, true],
        [word + 1, false],
      ] as const) {
        const testCase = chainCase([dropout(threshold / 2 ** 32)], shape, 0);
        const { output } = await runBackward(backend, testCase, ones, ones, keys);
        assert.equal(output[u] !== 0, kept, `value ${u} at rate ${threshold} / 2^32`);
      }
    }
  });

  it('is the identity in inference and without keys', async () => {
    const shape: Shape4 = [2, 5, 3, 3];
    const input = representable(randomTensor(1, shape));
    const testCase = chainCase([dropout(0.5)], shape, 0);
    assertClose('inference output', await runForward(backend, testCase, input), input, 0);
    const run = await runBackward(backend, testCase, input, input);
    assertClose('training output', run.output, input, 0);
    assertClose('input gradient', run.inputGradient, input, 0);
  });

  it('gives each dropout layer of a chain its own mask: the classifier of the networks', async () => {
    const shape: Shape4 = [3, 6, 2, 2];
    const keys = dropoutKeysFor(3);
    const layers = classifier();
    const testCase = chainCase(layers, shape, 5);
    // Biases are so high that the ReLUs pass everything: zeros before the last layer are the masks.
    testCase.values.get('fc6.bias')!.fill(20);
    testCase.values.get('fc7.bias')!.fill(500);
    // The last layer is the identity, so the output is the second dropout's.
    const identity = testCase.values.get('fc8.weight')!;
    identity.forEach((_, i) => {
      identity[i] = Math.floor(i / 37) === i % 37 ? 1 : 0;
    });
    testCase.values.get('fc8.bias')!.fill(0);
    const outputGradient = new Float32Array(3 * 37).fill(1);
    const run = await runBackward(backend, testCase, randomTensor(6, shape), outputGradient, keys);
    assert.deepEqual(nonZero(run.output), mask(0.25, 1, [3, 37, 1, 1], keys));
    // A unit's bias in fc6 receives gradients from exactly the images in which the first dropout kept the unit.
    const first = mask(0.5, 0, [3, 37, 1, 1], keys);
    const second = mask(0.25, 1, [3, 37, 1, 1], keys);
    const w7 = testCase.values.get('fc7.weight')!;
    const expected = Float64Array.from({ length: 37 }, (_, unit) => {
      let sum = 0;
      for (let n = 0; n < 3; n++) {
        if (!first[n * 37 + unit]) continue;
        for (let o = 0; o < 37; o++) if (second[n * 37 + o]) sum += w7[o * 37 + unit]! / (0.5 * 0.75);
      }
      return sum;
    });
    assertClose('fc6.bias gradient', run.gradients.get('fc6.bias'), expected, layerTolerance);
  });
});

function classifier(): Layer[] {
  return [
    convolution(6, 37, { kernel: 2, name: 'fc6' }),
    relu('relu6'),
    dropout(0.5, 'drop6'),
    convolution(37, 37, { kernel: 1, name: 'fc7' }),
    relu('relu7'),
    dropout(0.25, 'drop7'),
    convolution(37, 37, { kernel: 1, name: 'fc8' }),
  ];
}
