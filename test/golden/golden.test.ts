/**
 * Every configuration against PyTorch in double precision (tools/golden.py): logits, losses, the gradient of
 * every tensor, dense maps, and the weights after some steps of SGD across a drop of the learning rate.
 */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import type { Shape4 } from '../../src/core/shape.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { configurationNames } from '../../src/net/configurations.ts';
import { cropShape } from '../../src/net/network.ts';
import { type BackendUnderTest, describeBackends } from '../support/backends.ts';
import { createParameters } from '../support/chains.ts';
import {
  type GoldenCase,
  goldenCases,
  goldenDropoutKeys,
  goldenImages,
  goldenLabels,
  goldenNetwork,
  goldenValues,
} from '../support/golden.ts';
import { assertClose, largestDifference, relativeLength } from '../support/tensors.ts';

type Tensors = ReadonlyMap<string, ArrayLike<number>>;

it('there is a golden pass of every configuration', () => {
  const covered = new Set(goldenCases('pass').map(({ configuration }) => configuration));
  assert.deepEqual([...covered].sort(), [...configurationNames].sort());
});

/** Compares every tensor, and reports the largest difference of all. */
function compareAll(
  t: TestContext,
  actual: Tensors,
  expected: Tensors,
  { networkTolerance, gradientTolerance }: BackendUnderTest,
): void {
  let worst = { name: '', difference: -1 };
  const gradient: [actual: number[], expected: number[]] = [[], []];
  for (const [name, tensor] of expected) {
    // The change of a weight is made of gradients, too.
    if (gradientTolerance !== undefined && /weight$|bias$/.test(name)) {
      gradient[0].push(...Array.from(actual.get(name)!));
      gradient[1].push(...Array.from(tensor));
      continue;
    }
    assertClose(name, actual.get(name), tensor, networkTolerance);
    const { difference } = largestDifference(actual.get(name)!, tensor);
    if (difference > worst.difference) worst = { name, difference };
  }
  t.diagnostic(
    `largest difference ${worst.difference.toExponential(1)} in ${worst.name}, allowed ${networkTolerance}`,
  );
  if (gradientTolerance === undefined || gradient[1].length === 0) return;
  const length = relativeLength(...gradient);
  const what = `the gradient is off by ${length.toExponential(1)} of its length, allowed ${gradientTolerance}`;
  assert.ok(length <= gradientTolerance, what);
  t.diagnostic(what);
}

async function passOf(backend: Backend, golden: GoldenCase): Promise<Tensors> {
  const network = goldenNetwork(golden);
  const inputShape = cropShape(network, golden.batch);
  const parameters = await createParameters(backend, network.layers, goldenValues(golden, network));
  const program = await backend.compileTraining({ layers: network.layers, inputShape, parameters });
  const outcome = await program.accumulate(batchOf(golden, inputShape), 1 / golden.batch);
  const results = new Map<string, Float32Array>(Object.entries(outcome));
  for (const { name } of network.parameters) {
    results.set(`gradient.${name}`, await parameters.read('gradients', name));
  }
  program.dispose();
  parameters.dispose();
  return results;
}

function batchOf(golden: GoldenCase, inputShape: Shape4, step = 0) {
  return {
    input: goldenImages(golden, inputShape, step),
    labels: goldenLabels(golden, step),
    dropoutKeys: goldenDropoutKeys(golden, step),
  };
}

async function denseOf(backend: Backend, golden: GoldenCase): Promise<Tensors> {
  const inputShape: Shape4 = [golden.batch, 3, golden.height!, golden.width!];
  const results = new Map<string, Float32Array>();
  for (const pooling of ['floor', 'ceil'] as const) {
    const network = goldenNetwork(golden, pooling);
    const parameters = await createParameters(backend, network.layers, goldenValues(golden, network), false);
    const program = await backend.compile({ layers: network.layers, inputShape, parameters });
    results.set(`dense.${pooling}`, await program.forward(goldenImages(golden, inputShape)));
    program.dispose();
    parameters.dispose();
  }
  return results;
}

/** The losses of every step, and how far each parameter went from its first value. */
async function trainingOf(backend: Backend, golden: GoldenCase): Promise<Tensors> {
  const network = goldenNetwork(golden);
  const inputShape = cropShape(network, golden.batch);
  const first = goldenValues(golden, network);
  const parameters = await createParameters(backend, network.layers, first);
  const program = await backend.compileTraining({ layers: network.layers, inputShape, parameters });
  const losses: number[] = [];
  const { momentum, weightDecay, biasDecay } = golden as Required<GoldenCase>;
  for (const [step, learningRate] of golden.rates!.entries()) {
    const batch = batchOf(golden, inputShape, step);
    losses.push(...(await program.accumulate(batch, 1 / golden.batch)).losses);
    await parameters.update({ learningRate, momentum, weightDecay, biasDecay });
  }
  const results = new Map<string, ArrayLike<number>>([['losses', losses]]);
  for (const { name } of network.parameters) {
    results.set(name, wayFrom(first.get(name)!, await parameters.read('values', name)));
  }
  program.dispose();
  parameters.dispose();
  return results;
}

function wayFrom(first: Float32Array, last: Float32Array): Float64Array {
  return Float64Array.from(last, (value, i) => value - first[i]!);
}

describeBackends('golden values from PyTorch', (backend, tolerances: BackendUnderTest) => {
  for (const golden of goldenCases('pass')) {
    const { configuration, crop, dropout } = golden;
    it(`${configuration} at ${crop}${dropout ? ' with dropout' : ''}: logits, losses, every gradient`, async (t) => {
      compareAll(t, await passOf(backend, golden), golden.tensors, tolerances);
    });
  }

  for (const golden of goldenCases('dense')) {
    it(`${golden.configuration}: dense maps of an odd size, pooling by floor and by ceil`, async (t) => {
      compareAll(t, await denseOf(backend, golden), golden.tensors, tolerances);
    });
  }

  for (const golden of goldenCases('training')) {
    it(`${golden.configuration}: ${golden.rates!.length} steps of SGD across a drop of the rate`, async (t) => {
      const first = goldenValues(golden, goldenNetwork(golden));
      const expected = new Map<string, ArrayLike<number>>(golden.tensors);
      for (const [name, values] of first) expected.set(name, wayFrom(values, golden.tensors.get(name)!));
      // Differences are of the way that a tensor went, a tenth or less of its values.
      compareAll(t, await trainingOf(backend, golden), expected, tolerances);
    });
  }
});
