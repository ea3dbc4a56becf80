/**
 * Blocks of the networks: 3×3 convolutions with ReLU and max pooling, which fast engines run as one kernel, tile by
 * tile. Tested are the edge cases: maps that end within a tile, channels that end within a vector, ties that only the
 * fused kernel meets, and sizes at which an engine works differently.
 */
import { it } from 'node:test';
import fc from 'fast-check';
import { type Layer, type MaxPoolLayer, outputShape } from '../../src/core/layer.ts';
import { formatShape, type Shape4 } from '../../src/core/shape.ts';
import { assertAgreesWithReference } from '../support/agreement.ts';
import { backendsForLargeWork, describeBackends } from '../support/backends.ts';
import {
  assertSameRun,
  chainCase,
  convolution,
  maxPool,
  relu,
  runBackward,
  runForward,
} from '../support/chains.ts';
import { convolveBackward, poolPlaces } from '../support/oracle.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

/** `convolutions` 3×3 layers with ReLU, then the pool if given. */
function block(convolutions: number, inChannels: number, outChannels: number, last?: MaxPoolLayer): Layer[] {
  const layers = Array.from({ length: convolutions }, (_, i): Layer[] => [
    convolution(i === 0 ? inChannels : outChannels, outChannels, { name: `conv${i + 1}` }),
    relu(`relu${i + 1}`),
  ]).flat();
  return last ? [...layers, last] : layers;
}

describeBackends('convolution, ReLU and max pooling fused', (backend, { layerTolerance }) => {
  for (const rounding of ['floor', 'ceil'] as const) {
    for (const shape of [
      [2, 5, 7, 9],
      [1, 16, 8, 8],
      [1, 17, 2, 3],
      [2, 3, 13, 18],
    ] as const) {
      it(`${rounding}: ${formatShape(shape)}`, () => checkFused(shape, maxPool(rounding)));
    }

    for (const rectified of [false, true]) {
      it(`${rounding}: in a window of equal values the first one receives the gradient${rectified ? ', after ReLU' : ''}`, async () => {
        // With zero weights every output is its bias: all windows tie.
        const shape: Shape4 = [2, 3, 9, 7];
        const layer = convolution(3, 5);
        const layers = rectified ? [layer, relu(), maxPool(rounding)] : [layer, maxPool(rounding)];
        const weight = new Float32Array(5 * 3 * 9);
        const values = new Map([['conv.bias', Float32Array.of(1, 2, 3, -1, 0)]]);
        const mapShape = outputShape(layer, shape);
        const pooled = outputShape(maxPool(rounding), mapShape);
        const input = randomTensor(1, shape);
        const outputGradient = randomTensor(2, pooled);
        const run = await runBackward(backend, { layers, inputShape: shape, values }, input, outputGradient);
        const ones = new Float32Array(2 * 5 * 9 * 7).fill(1);
        const gradient = new Float32Array(ones.length);
        for (const [i, place] of poolPlaces(maxPool(rounding), mapShape, ones).entries()) {
          const channel = Math.floor(place / (9 * 7)) % 5;
          if (!rectified || channel < 3) gradient[place] = outputGradient[i]!;
        }
        const expected = convolveBackward(layer, shape, input, weight, gradient);
        assertClose('weight gradient', run.gradients.get('conv.weight'), expected.weight, layerTolerance);
        assertClose('bias gradient', run.gradients.get('conv.bias'), expected.bias, layerTolerance);
      });
    }
  }

  /** Compares with one layer at a time; each layer is tested against its definition elsewhere. */
  async function checkFused(shape: Shape4, last: MaxPoolLayer): Promise<void> {
    const layer = convolution(shape[1], 17);
    const whole = chainCase([layer, relu(), last], shape, 3);
    // A bias so low that whole windows are 0.
    const bias = whole.values.get('conv.bias')!;
    for (let o = 0; o < bias.length; o += 3) bias[o] = -3;
    const input = randomTensor(11, shape);
    const mapShape = outputShape(layer, shape);
    const outputGradient = randomTensor(12, outputShape(last, mapShape));
    const first = { layers: [layer], inputShape: shape, values: whole.values };
    const map = await runForward(backend, first, input);
    const rectified = map.map((x) => Math.max(x, 0));
    const places = poolPlaces(last, mapShape, rectified);
    const gradient = new Float32Array(map.length);
    places.forEach((place, i) => {
      if (map[place]! > 0) gradient[place] = outputGradient[i]!;
    });
    const expected = await runBackward(backend, first, input, gradient);
    const run = await runBackward(backend, whole, input, outputGradient);
    const output = Float32Array.from(places, (place) => rectified[place]!);
    assertSameRun(run, { ...expected, output }, layerTolerance);
    assertClose('inference output', await runForward(backend, whole, input), output, layerTolerance);
  }
});

describeBackends(
  'blocks at sizes of real networks agree with the reference',
  (backend, tolerances) => {
    const { layerTolerance, networkTolerance } = tolerances;

    // Output channels and input shapes: every remainder of a division by 4 and 16, and 3 to 512 channels.
    const singles: readonly [number, Shape4][] = [
      [64, [1, 3, 61, 58]],
      [64, [2, 64, 30, 27]],
      [128, [1, 128, 29, 31]],
      [256, [1, 256, 14, 15]],
      [512, [1, 512, 7, 9]],
      [512, [3, 512, 2, 2]],
      [512, [1, 256, 5, 4]],
      [130, [3, 17, 33, 18]],
      [96, [8, 48, 9, 10]],
      [16, [1, 3, 224, 17]],
      [48, [17, 16, 4, 4]],
    ];
    for (const [index, [outChannels, shape]] of singles.entries()) {
      it(`3×3: ${formatShape(shape)} to ${outChannels} channels`, async () => {
        const testCase = chainCase([convolution(shape[1], outChannels)], shape, index);
        await assertAgreesWithReference(backend, testCase, layerTolerance, 40 + index);
      });
    }

    const blocks: readonly [number, number, MaxPoolLayer | undefined, Shape4][] = [
      [2, 64, maxPool('floor'), [2, 3, 38, 45]],
      [2, 64, maxPool('ceil'), [1, 3, 39, 33]],
      [3, 48, maxPool('floor'), [1, 64, 28, 26]],
      [4, 128, undefined, [1, 64, 14, 14]],
      [2, 256, maxPool('floor'), [2, 96, 6, 7]],
    ];
    for (const [index, [convolutions, channels, last, shape]] of blocks.entries()) {
      it(`block of ${convolutions}: ${formatShape(shape)} to ${channels} channels`, async () => {
        const testCase = chainCase(block(convolutions, shape[1], channels, last), shape, 60 + index);
        await assertAgreesWithReference(backend, testCase, networkTolerance, 80 + index);
      });
    }

    it('any block', async () => {
      const draw = fc.record({
        convolutions: fc.integer({ min: 1, max: 3 }),
        outChannels: fc.integer({ min: 1, max: 40 }),
        last: fc.constantFrom(undefined, maxPool('floor'), maxPool('ceil')),
        shape: fc.tuple(
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 1, max: 40 }),
          fc.integer({ min: 2, max: 30 }),
          fc.integer({ min: 2, max: 30 }),
        ),
        seed: fc.nat(1e6),
      });
      await fc.assert(
        fc.asyncProperty(draw, async ({ convolutions, outChannels, last, shape, seed }) => {
          const layers = block(convolutions, shape[1], outChannels, last);
          await assertAgreesWithReference(
            backend,
            chainCase(layers, shape, seed),
            networkTolerance,
            seed + 1,
          );
        }),
        { numRuns: 40, seed: 20140904, endOnFailure: true },
      );
    });
  },
  backendsForLargeWork.filter(({ name }) => name !== 'reference'),
);
