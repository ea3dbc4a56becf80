/** Chains of random layers: every other backend against the reference. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Layer, outputShape, shapesAlong } from '../../src/core/layer.ts';
import { formatShape, type Shape4 } from '../../src/core/shape.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { describeBackends, otherBackends, reference } from '../support/backends.ts';
import {
  adaptivePool,
  assertAllClose,
  assertSameRun,
  chainCase,
  convolution,
  inTraining,
  readAll,
  runBackward,
  runForward,
} from '../support/chains.ts';
import { assertClose, dropoutKeysFor, randomTensor } from '../support/tensors.ts';

const RUNS = { numRuns: 60, seed: 20140904, endOnFailure: true } as const;

const layerDraw = fc.record({
  kind: fc.constantFrom(
    'convolution',
    'convolution',
    'convolution',
    'relu',
    'maxPool',
    'adaptivePool',
    'lrn',
    'dropout',
  ),
  kernel: fc.constantFrom(3, 3, 3, 1, 5, 2),
  padded: fc.boolean(),
  outChannels: fc.constantFrom(1, 3, 5, 8, 16, 17, 31, 48),
  ceil: fc.boolean(),
});
type LayerDraw = typeof layerDraw extends fc.Arbitrary<infer T> ? T : never;

const chainDraw = fc.record({
  draws: fc.array(layerDraw, { minLength: 1, maxLength: 6 }),
  shape: fc.tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom(1, 3, 5, 16, 17),
    fc.integer({ min: 1, max: 15 }),
    fc.integer({ min: 1, max: 15 }),
  ),
  seed: fc.nat(1e6),
  fullBatch: fc.boolean(),
});

/** Turns draws into layers that fit each other, leaving out those that do not. */
function layersFrom(draws: readonly LayerDraw[], input: Shape4): Layer[] {
  const layers: Layer[] = [];
  let shape = input;
  for (const [index, draw] of draws.entries()) {
    const layer = layerFrom(draw, `layer${index}`, shape[1]);
    try {
      shape = outputShape(layer, shape);
      layers.push(layer);
    } catch (error) {
      assert.ok(error instanceof RangeError);
    }
  }
  return layers.length > 0 ? layers : [{ kind: 'relu', name: 'relu' }];
}

function layerFrom(
  { kind, kernel, padded, outChannels, ceil }: LayerDraw,
  name: string,
  inChannels: number,
): Layer {
  switch (kind) {
    case 'convolution': {
      const padding = padded ? Math.floor(kernel / 2) : 0;
      return { kind, name, kernel, padding, inChannels, outChannels };
    }
    case 'maxPool':
      return { kind, name, rounding: ceil ? 'ceil' : 'floor' };
    case 'adaptivePool':
      return ceil ? adaptivePool('max', 1, name) : adaptivePool('average', kernel, name);
    case 'lrn':
      return { kind, name, size: 5, k: 1, alpha: 0.1, beta: 0.75 };
    case 'dropout':
      return { kind, name, rate: 0.4 };
    default:
      return { kind: 'relu', name };
  }
}

function describeChain(layers: readonly Layer[], shape: Shape4): string {
  return `${formatShape(shape)}: ${layers.map((layer) => JSON.stringify(layer)).join(', ')}`;
}

describeBackends(
  'random chains agree with the reference',
  (backend, { networkTolerance }) => {
    it('forward, backward, gradients, dropout, partial batches', async () => {
      await fc.assert(
        fc.asyncProperty(chainDraw, async ({ draws, shape, seed, fullBatch }) => {
          const layers = layersFrom(draws, shape);
          const testCase = chainCase(layers, shape, seed);
          const images = fullBatch ? shape[0] : 1;
          const input = randomTensor(seed + 1, [images, shape[1], shape[2], shape[3]]);
          const [, ...outputImage] = shapesAlong(layers, shape).at(-1)!;
          const outputGradient = randomTensor(seed + 2, [images, ...outputImage]);
          const keys = dropoutKeysFor(images, seed);
          const expected = await runBackward(reference, testCase, input, outputGradient, keys);
          const run = await runBackward(backend, testCase, input, outputGradient, keys);
          const chain = ` of ${describeChain(layers, shape)}`;
          assertSameRun(run, expected, networkTolerance, chain);
          const inferred = await runForward(backend, testCase, input);
          const expectedInferred = await runForward(reference, testCase, input);
          assertClose(`inference output${chain}`, inferred, expectedInferred, networkTolerance);
        }),
        RUNS,
      );
    });

    it('three steps of training end in the same weights', async () => {
      await fc.assert(
        fc.asyncProperty(chainDraw, async ({ draws, shape, seed }) => {
          const features = layersFrom(draws, shape);
          const [, channels, height, width] = shapesAlong(features, shape).at(-1)!;
          if (height !== width) return;
          const classifier = convolution(channels, 5, { kernel: height, padding: 0, name: 'scores' });
          const testCase = chainCase([...features, classifier], shape, seed);
          const labels = Int32Array.from({ length: shape[0] }, (_, i) => (seed + i) % 5);
          const train = (on: Backend) =>
            inTraining(on, testCase, async (program, parameters) => {
              for (let step = 0; step < 3; step++) {
                const input = randomTensor(seed + step, shape);
                const dropoutKeys = dropoutKeysFor(shape[0], step);
                await program.accumulate({ input, labels, dropoutKeys }, 1 / shape[0]);
                await parameters.update({
                  learningRate: 0.01,
                  momentum: 0.9,
                  weightDecay: 5e-4,
                  biasDecay: 0,
                });
              }
              return readAll(parameters, 'values');
            });
          const expected = await train(reference);
          const chain = ` of ${describeChain(testCase.layers, shape)}`;
          assertAllClose(await train(backend), expected, networkTolerance, chain);
        }),
        RUNS,
      );
    });
  },
  otherBackends,
);
