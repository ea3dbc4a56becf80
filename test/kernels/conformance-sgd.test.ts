import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ParameterSpec } from '../../src/core/layer.ts';
import type { Backend, Parameters, SgdStep } from '../../src/kernels/backend.ts';
import { describeBackends } from '../support/backends.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const SPECS: readonly ParameterSpec[] = [
  { name: 'a.weight', shape: [5, 3, 3, 3], role: 'weight' },
  { name: 'a.bias', shape: [5], role: 'bias' },
  { name: 'b.weight', shape: [17, 5, 1, 1], role: 'weight' },
  { name: 'b.bias', shape: [17], role: 'bias' },
];

/** Weights and velocities are rounded to float32 in each of up to a dozen steps. */
const TOLERANCE = 1e-6;

/** The same steps in double precision. */
class Expected {
  readonly values: Float64Array;
  readonly velocities: Float64Array;
  constructor(values: Float32Array) {
    this.values = Float64Array.from(values);
    this.velocities = new Float64Array(values.length);
  }
  step({ learningRate, momentum }: SgdStep, decay: number, gradients: Float32Array): void {
    this.velocities.forEach((velocity, i) => {
      this.velocities[i] = momentum * velocity - learningRate * (gradients[i]! + decay * this.values[i]!);
      this.values[i]! += this.velocities[i]!;
    });
  }
}

async function checkSteps(backend: Backend, steps: readonly SgdStep[]): Promise<void> {
  const parameters = backend.createParameters(SPECS, { training: true });
  const expected = new Map<string, Expected>();
  for (const [index, { name, shape }] of SPECS.entries()) {
    const values = randomTensor(index, shape);
    await parameters.write('values', name, values);
    expected.set(name, new Expected(values));
  }
  for (const [number, step] of steps.entries()) {
    for (const [index, { name, shape, role }] of SPECS.entries()) {
      const gradients = randomTensor(100 * number + index, shape);
      await parameters.write('gradients', name, gradients);
      expected.get(name)!.step(step, role === 'bias' ? step.biasDecay : step.weightDecay, gradients);
    }
    await parameters.update(step);
  }
  for (const { name } of SPECS) {
    assertClose(name, await parameters.read('values', name), expected.get(name)!.values, TOLERANCE);
    const velocities = await parameters.read('velocities', name);
    assertClose(`velocity of ${name}`, velocities, expected.get(name)!.velocities, TOLERANCE);
    assert.ok((await parameters.read('gradients', name)).every((gradient) => gradient === 0));
  }
  parameters.dispose();
}

const PLAIN: SgdStep = { learningRate: 0.1, momentum: 0, weightDecay: 0, biasDecay: 0 };

function repeated(step: SgdStep, times: number): SgdStep[] {
  return Array.from({ length: times }, () => step);
}

describeBackends('SGD', (backend) => {
  it('one plain step', () => checkSteps(backend, [PLAIN]));
  it('momentum over several steps', () => checkSteps(backend, repeated({ ...PLAIN, momentum: 0.9 }, 6)));
  it('weight decay on weights only', () =>
    checkSteps(backend, repeated({ ...PLAIN, momentum: 0.9, weightDecay: 0.05 }, 6)));
  it('a different decay for biases', () =>
    checkSteps(backend, repeated({ ...PLAIN, momentum: 0.9, weightDecay: 0.05, biasDecay: 0.2 }, 6)));
  it("the paper's constants across a drop of the learning rate", () => {
    const paper: SgdStep = { learningRate: 1e-2, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 };
    return checkSteps(backend, [...repeated(paper, 6), ...repeated({ ...paper, learningRate: 1e-3 }, 6)]);
  });

  it("keeps the rate in the velocity: after a drop the old velocity continues (Caffe's form, not PyTorch's)", async () => {
    const parameters = await oneWeight(backend, 1);
    const velocities: number[] = [];
    for (const learningRate of [0.1, 0.1, 0.01]) {
      await parameters.write('gradients', 'w', Float32Array.of(1));
      await parameters.update({ ...PLAIN, learningRate, momentum: 0.5 });
      velocities.push((await parameters.read('velocities', 'w'))[0]!);
    }
    // PyTorch's form would give steps of 0.1, 0.15, 0.0175.
    assertClose('velocities', velocities, [-0.1, -0.15, -0.085], TOLERANCE);
    assertClose('weight', await parameters.read('values', 'w'), [1 - 0.1 - 0.15 - 0.085], TOLERANCE);
    parameters.dispose();
  });

  it('pure decay shrinks a weight geometrically', async () => {
    const parameters = await oneWeight(backend, 2);
    const step: SgdStep = { learningRate: 0.5, momentum: 0, weightDecay: 0.1, biasDecay: 0 };
    for (let i = 0; i < 10; i++) await parameters.update(step);
    assertClose('weight', await parameters.read('values', 'w'), [2 * 0.95 ** 10], TOLERANCE);
    parameters.dispose();
  });

  it('zeroGradients clears gradients and keeps velocities', async () => {
    const parameters = await oneWeight(backend, 1);
    await parameters.write('gradients', 'w', Float32Array.of(3));
    await parameters.write('velocities', 'w', Float32Array.of(0.25));
    await parameters.zeroGradients();
    assert.deepEqual(await parameters.read('gradients', 'w'), Float32Array.of(0));
    await parameters.update({ ...PLAIN, momentum: 1 });
    assertClose('weight', await parameters.read('values', 'w'), [1.25], TOLERANCE);
    parameters.dispose();
  });
});

async function oneWeight(backend: Backend, value: number): Promise<Parameters> {
  const specs: ParameterSpec[] = [{ name: 'w', shape: [1], role: 'weight' }];
  const parameters = backend.createParameters(specs, { training: true });
  await parameters.write('values', 'w', Float32Array.of(value));
  return parameters;
}
