import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parameterSpecs } from '../../src/core/layer.ts';
import { describeBackends } from '../support/backends.ts';
import { convolution, inTraining, randomValues, relu } from '../support/chains.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const LAYERS = [
  convolution(3, 4, { name: 'a' }),
  relu(),
  convolution(4, 5, { name: 'b' }),
  relu('relu2'),
  convolution(5, 6, { kernel: 4, padding: 0, name: 'c' }),
];
/** `a` frozen before the trained part, `b` at a tenth of the rate, the bias of `c` frozen within it. */
const RATES = [0, 0, 0.1, 0.1, 1, 0];

describeBackends('rates of single tensors', (backend) => {
  it('frozen tensors keep their bits, the others take steps at their rates', async () => {
    const specs = parameterSpecs(LAYERS);
    const values = randomValues(LAYERS, 3);
    const parameters = backend.createParameters(specs, { training: true, rates: RATES });
    for (const [name, data] of values) await parameters.write('values', name, data);
    assert.deepEqual(
      parameters.trained.map(({ name }) => name),
      ['b.weight', 'b.bias', 'c.weight', 'c.bias'],
    );
    await assert.rejects(parameters.read('gradients', 'a.bias'), /a\.bias is frozen/);
    await assert.rejects(parameters.write('velocities', 'a.weight', values.get('a.weight')!), /frozen/);

    const whole = { layers: LAYERS, inputShape: [2, 3, 4, 4] as const, parameters };
    await assert.rejects(backend.compileTraining(whole), /a\.weight is frozen/);
    const frozen = await backend.compile({ ...whole, layers: LAYERS.slice(0, 2) });
    const trained = await backend.compileTraining({
      ...whole,
      layers: LAYERS.slice(2),
      inputShape: frozen.outputShape,
    });
    const labels = Int32Array.of(0, 5);
    const gradients = new Map<string, Float32Array>();
    for (let step = 0; step < 2; step++) {
      const input = await frozen.forward(randomTensor(step, [2, 3, 4, 4]));
      await trained.accumulate({ input, labels }, 0.5);
      if (step === 0) {
        for (const { name } of parameters.trained)
          gradients.set(name, await parameters.read('gradients', name));
      }
      await parameters.update({ learningRate: 0.5, momentum: 0.9, weightDecay: 0.01, biasDecay: 0.01 });
      if (step > 0) continue;
      for (const [index, { name }] of specs.entries()) {
        const after = await parameters.read('values', name);
        const before = values.get(name)!;
        if (RATES[index] === 0) assert.deepEqual(after, before, name);
        else {
          const rate = 0.5 * RATES[index]!;
          const wanted = before.map((w, i) => w - rate * (gradients.get(name)![i]! + 0.01 * w));
          assertClose(name, after, wanted, 1e-6);
        }
      }
    }
    assert.deepEqual(await parameters.read('values', 'a.weight'), values.get('a.weight'));
    assert.deepEqual(await parameters.read('values', 'c.bias'), values.get('c.bias'));
    for (const program of [frozen, trained]) program.dispose();
    parameters.dispose();
  });
});

describeBackends('weighted and smoothed losses', (backend, { layerTolerance }) => {
  it('are weight · −Σ q ln p, with its gradient', async () => {
    const classes = 5;
    const layers = [convolution(classes, classes, { kernel: 1, name: 'c' })];
    const identity = Float32Array.from({ length: classes ** 2 }, (_, i) => (i % (classes + 1) === 0 ? 1 : 0));
    const input = Float32Array.from({ length: 2 * classes }, (_, i) => ((i * 7) % 5) - 2);
    const [labels, weights, labelSmoothing] = [Int32Array.of(3, 1), Float32Array.of(0.5, 3), 0.2];
    const testCase = {
      layers,
      inputShape: [2, classes, 1, 1] as const,
      values: new Map([['c.weight', identity]]),
    };
    const { losses, bias } = await inTraining(backend, testCase, async (program, parameters) => ({
      ...(await program.accumulate({ input, labels, weights, labelSmoothing }, 0.5)),
      bias: await parameters.read('gradients', 'c.bias'),
    }));
    const gradient = new Float64Array(classes);
    for (let n = 0; n < 2; n++) {
      const exponentials = [...input.subarray(n * classes, (n + 1) * classes)].map(Math.exp);
      const sum = exponentials.reduce((a, b) => a + b);
      const target = (k: number) => 0.04 + (k === labels[n] ? 0.8 : 0);
      const loss = exponentials.reduce((all, e, k) => all - target(k) * Math.log(e / sum), 0);
      assertClose(`loss ${n}`, losses.subarray(n, n + 1), [weights[n]! * loss], layerTolerance);
      exponentials.forEach((e, k) => {
        gradient[k]! += 0.5 * weights[n]! * (e / sum - target(k));
      });
    }
    assertClose('gradient', bias, gradient, layerTolerance);
  });
});
