import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Layer, parameterSpecs } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { Parameters, Program, SgdStep, TrainingProgram } from '../../src/kernels/backend.ts';
import { describeBackends } from '../support/backends.ts';
import { convolution, createParameters, maxPool, randomValues, readAll, relu } from '../support/chains.ts';
import { randomTensor } from '../support/tensors.ts';

const CONVOLUTION = convolution(3, 5, { kernel: 4, padding: 0 });
const LAYERS: readonly Layer[] = [CONVOLUTION, relu(), { kind: 'dropout', name: 'drop', rate: 0.5 }];
const SHAPE: Shape4 = [2, 3, 4, 4];
const STEP: SgdStep = { learningRate: 0.1, momentum: 0.9, weightDecay: 0, biasDecay: 0 };

describeBackends('errors', (backend) => {
  /** Created for a test and disposed of after it. */
  interface Made {
    readonly parameters: Parameters;
    readonly program: Program;
    readonly training: TrainingProgram;
  }

  /** Runs a test with parameters and a program of each kind, which it may dispose of itself. */
  function test(title: string, body: (made: Made) => Promise<void>): void {
    it(title, async () => {
      const parameters = await createParameters(backend, LAYERS, randomValues(LAYERS, 1));
      const options = { layers: LAYERS, inputShape: SHAPE, parameters };
      const program = await backend.compile(options);
      const training = await backend.compileTraining({ ...options, inputGradient: true });
      await body({ parameters, program, training });
      for (const item of [program, training, parameters]) item.dispose();
    });
  }

  const input = randomTensor(1, SHAPE);
  const labels = Int32Array.of(0, 4);

  test('inputs of the wrong length', async ({ program, training }) => {
    for (const length of [0, 1, 47, 49, 3 * 48]) {
      const wrong = new Float32Array(length);
      const said = { name: 'RangeError', message: new RegExp(`1 to 2 .*3×4×4.*not ${length} values`) };
      await assert.rejects(program.forward(wrong), said);
      await assert.rejects(training.accumulate({ input: wrong, labels }, 1), said);
      await assert.rejects(training.backward({ input: wrong }, new Float32Array(10)), said);
    }
  });

  test('labels, keys, gradients and scales that do not fit, before anything runs', async ({
    training,
    parameters,
  }) => {
    for (const label of [-1, 5, 1000]) {
      await assert.rejects(training.accumulate({ input, labels: Int32Array.of(0, label) }, 1), {
        name: 'RangeError',
        message: new RegExp(`image 1 .*label ${label}.*0 to 4`),
      });
    }
    await assert.rejects(training.accumulate({ input, labels: Int32Array.of(1) }, 1), /2 labels, not 1/);
    const keys = new Uint32Array(3);
    await assert.rejects(training.accumulate({ input, labels, dropoutKeys: keys }, 1), /4 words.*not 3/);
    await assert.rejects(training.accumulate({ input, labels }, Number.NaN), /gradientScale.*NaN/);
    await assert.rejects(training.backward({ input }, new Float32Array(9)), /2×5×1×1.*not 9/);
    for (const tensor of (await readAll(parameters, 'gradients')).values()) {
      assert.ok(tensor.every((gradient) => gradient === 0));
    }
  });

  test('a loss over a map of scores', async ({ parameters }) => {
    const wide = await backend.compileTraining({ layers: LAYERS, inputShape: [2, 3, 5, 4], parameters });
    await assert.rejects(wide.accumulate({ input: new Float32Array(120), labels }, 1), /map of 2×1/);
    wide.dispose();
  });

  test('unknown tensors, and data of another length', async ({ parameters }) => {
    await assert.rejects(parameters.read('values', 'fc9.weight'), {
      name: 'RangeError',
      message: /fc9\.weight/,
    });
    await assert.rejects(parameters.write('values', 'fc9.weight', new Float32Array(1)), /fc9\.weight/);
    await assert.rejects(parameters.write('values', 'conv.bias', new Float32Array(4)), {
      name: 'RangeError',
      message: /conv\.bias.*5 values, not 4/,
    });
  });

  it('parameters without gradients', async () => {
    const parameters = await createParameters(backend, LAYERS, new Map(), false);
    await assert.rejects(parameters.read('gradients', 'conv.bias'), /training: true/);
    await assert.rejects(parameters.write('velocities', 'conv.bias', new Float32Array(5)), /training: true/);
    await assert.rejects(parameters.update(STEP));
    await assert.rejects(parameters.zeroGradients());
    const options = { layers: LAYERS, inputShape: SHAPE, parameters };
    await assert.rejects(backend.compileTraining(options), /training: true/);
    parameters.dispose();
  });

  test('a step that is not a number', async (made) => {
    const before = await readAll(made.parameters, 'values');
    const step = { ...STEP, learningRate: Number.NaN };
    await assert.rejects(made.parameters.update(step), /learningRate.*NaN/);
    assert.deepEqual(await readAll(made.parameters, 'values'), before);
  });

  it('impossible chains', async () => {
    const parameters = await createParameters(backend, LAYERS, new Map());
    const refuses = async (layers: readonly Layer[], inputShape: Shape4, message: RegExp) => {
      const options = { layers, inputShape, parameters };
      await assert.rejects(backend.compile(options), { name: 'RangeError', message });
      await assert.rejects(backend.compileTraining(options), { name: 'RangeError', message });
    };
    await refuses([], SHAPE, /at least one layer/);
    await refuses(LAYERS, [0, 3, 4, 4], /whole numbers from 1/);
    await refuses(LAYERS, [1, 4, 4, 4], /conv takes 3 channels.*4/);
    await refuses(LAYERS, [1, 3, 3, 4], /3×4 is too small for conv/);
    await refuses([{ ...CONVOLUTION, name: 'other' }], SHAPE, /no other\.weight/);
    await refuses([{ ...CONVOLUTION, kernel: 3 }], SHAPE, /conv\.weight should be 5×3×3×3.*5×3×4×4/);
    await refuses([maxPool()], [1, 3, 1, 4], /too small for pool/);
    await refuses([{ kind: 'dropout', name: 'drop', rate: 1 }], SHAPE, /drop needs a rate/);
    await refuses([{ kind: 'lrn', name: 'norm', size: 4, k: 1, alpha: 1, beta: 1 }], SHAPE, /norm.*odd/);
    parameters.dispose();
  });

  it('two tensors with the same name', () => {
    const specs = [...parameterSpecs(LAYERS), ...parameterSpecs(LAYERS)];
    assert.throws(
      () => backend.createParameters(specs, { training: false }),
      /two tensors are named conv\.weight/,
    );
  });

  test('use after dispose; a second dispose is allowed', async ({ parameters, program, training }) => {
    const outputGradient = new Float32Array(10);
    program.dispose();
    training.dispose();
    program.dispose();
    await assert.rejects(program.forward(input), /forward: this program was disposed of/);
    await assert.rejects(training.accumulate({ input, labels }, 1), /this program was disposed of/);
    await assert.rejects(training.backward({ input }, outputGradient), /this program was disposed of/);
    parameters.dispose();
    parameters.dispose();
    const said = /these parameters were disposed of/;
    await assert.rejects(parameters.read('values', 'conv.bias'), said);
    await assert.rejects(parameters.write('values', 'conv.bias', new Float32Array(5)), said);
    await assert.rejects(parameters.update(STEP), said);
    await assert.rejects(parameters.zeroGradients(), said);
    await assert.rejects(backend.compile({ layers: LAYERS, inputShape: SHAPE, parameters }), said);
  });

  test('a program whose parameters have been disposed of', async ({ parameters, program, training }) => {
    parameters.dispose();
    await assert.rejects(program.forward(input), /these parameters were disposed of/);
    await assert.rejects(training.accumulate({ input, labels }, 1), /these parameters were disposed of/);
  });

  test('a call made before dispose still returns its result', async ({ parameters, program, training }) => {
    const expected = await program.forward(input);
    const pending = program.forward(input);
    const trained = training.accumulate({ input, labels }, 1);
    program.dispose();
    training.dispose();
    assert.deepEqual(await pending, expected);
    assert.equal((await trained).losses.length, 2);
    parameters.dispose();
  });

  test('an error leaves program and parameters usable', async (made) => {
    const expected = await made.program.forward(input);
    await assert.rejects(made.program.forward(new Float32Array(7)));
    await assert.rejects(made.training.accumulate({ input, labels: Int32Array.of(9, 9) }, 1));
    assert.deepEqual(await made.program.forward(input), expected);
  });
});
