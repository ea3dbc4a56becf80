import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UserError } from '../../../src/core/errors.ts';
import { keyOfSeed, RandomStream } from '../../../src/core/random.ts';
import type { PlannedBatch } from '../../../src/data/training/sampler.ts';
import type { Parameters } from '../../../src/kernels/backend.ts';
import { fillParameters, specsWith } from '../../../src/kernels/canonical-parameters.ts';
import { createReferenceBackend } from '../../../src/kernels/reference/reference-backend.ts';
import { withFrozenLayers } from '../../../src/net/frozen-layers.ts';
import { initialize } from '../../../src/net/initialization.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import { frozenNames, tensorRates } from '../../../src/train/layer-rates.ts';
import type { Metrics } from '../../../src/train/metrics.ts';
import type { PartialRecipe } from '../../../src/train/recipe.ts';
import { resolveRecipe } from '../../../src/train/resolve-recipe.ts';
import { Trainer } from '../../../src/train/trainer.ts';
import type { TrainerHooks, TrainingData } from '../../../src/train/trainer-hooks.ts';
import type { TrainerState } from '../../../src/train/trainer-state.ts';
import { WeightAverage } from '../../../src/train/weight-average.ts';
import { refused } from '../../support/refused.ts';

const CLASSES = 3;
const COUNT = 10;
const PIXELS = 3 * 32 * 32;

/** Images of noise, with an offset that depends on the class. */
function noiseImages(): TrainingData {
  const random = new RandomStream(keyOfSeed(5));
  const images = Array.from({ length: COUNT }, (_, index) =>
    Float32Array.from({ length: PIXELS }, () => 40 * random.normal() + 60 * ((index % CLASSES) - 1)),
  );
  return {
    count: COUNT,
    async *loadBatches(plan: Iterable<PlannedBatch>) {
      for (const { images: chosen, epochs } of plan) {
        const input = new Float32Array(chosen.length * PIXELS);
        chosen.forEach((image, i) => {
          input.set(images[image]!, i * PIXELS);
        });
        yield { input, labels: Int32Array.from(chosen, (image) => image % CLASSES), images: chosen, epochs };
      }
    },
  };
}

interface Session {
  readonly weights: Float32Array;
  readonly velocities: Float32Array;
  readonly state: TrainerState;
  /** The average of the weights, where there is one. */
  readonly average: WeightAverage | undefined;
  readonly metrics: readonly Metrics[];
  readonly checkpoints: readonly TrainerState[];
  readonly reason: string;
}

const TINY: PartialRecipe = {
  ...{ config: 'A', width: 0.02, crop: 32, scale: 32 },
  ...{ batch: 4, 'micro-batch': 3, iterations: 5, 'log-every': 2 },
  ...{ 'lr-drop-at': '3', lr: 0.001 },
};

interface Conditions {
  /** Continues this session. */
  readonly from?: Session;
  readonly state?: TrainerState;
  readonly hooks?: Partial<TrainerHooks>;
  readonly signal?: AbortSignal;
  readonly data?: TrainingData;
}

async function train(
  changes: PartialRecipe,
  { from, state = from?.state, hooks = {}, signal, data = noiseImages() }: Conditions = {},
): Promise<Session> {
  const recipe = resolveRecipe({ ...TINY, ...changes }, 'the test');
  const { config: configuration, width } = recipe;
  const whole = buildNetwork({ configuration, width, crop: 32, classes: CLASSES });
  const network = withFrozenLayers(whole, frozenNames(recipe, whole));
  const backend = createReferenceBackend();
  const rates = tensorRates(recipe, network);
  const parameters = backend.createParameters(network.parameters, { training: true, rates });
  await fillParameters(parameters, initialize(network, { method: 'he-unscaled', seed: 3 }));
  let average: WeightAverage | undefined;
  if (from?.average) {
    for (const { name } of parameters.specs) await parameters.write('values', name, from.average.read(name));
    average = await WeightAverage.heldBy(parameters, from.state.averaged);
  }
  if (from) await restore(parameters, from);
  const metrics: Metrics[] = [];
  const checkpoints: TrainerState[] = [];
  let last: WeightAverage | undefined;
  const trainer = new Trainer({
    recipe,
    network,
    backend,
    parameters,
    data,
    hooks: {
      validate: async () => ({ images: 1, loss: 1, top1Error: 0.5, top5Error: 0 }),
      onMetrics: async (line) => void metrics.push(line),
      onBest: async () => {},
      onCheckpoint: async (_, state, average) => {
        checkpoints.push(state);
        last = average;
      },
      ...hooks,
    },
    state,
    average,
    signal,
  });
  const reason = await trainer.run();
  return {
    weights: await all(parameters, 'values'),
    velocities: await all(parameters, 'velocities'),
    state: trainer.state,
    average: last,
    metrics,
    checkpoints,
    reason,
  };
}

async function all(parameters: Parameters, field: 'values' | 'velocities'): Promise<Float32Array> {
  const tensors: number[] = [];
  for (const { name } of specsWith(parameters, field)) tensors.push(...(await parameters.read(field, name)));
  return Float32Array.from(tensors);
}

async function restore(parameters: Parameters, { weights, velocities }: Session): Promise<void> {
  let offset = 0;
  for (const { name, shape } of parameters.specs) {
    const length = shape.reduce((a, b) => a * b, 1);
    await parameters.write('values', name, weights.slice(offset, offset + length));
    offset += length;
  }
  offset = 0;
  for (const { name, shape } of parameters.trained) {
    const length = shape.reduce((a, b) => a * b, 1);
    await parameters.write('velocities', name, velocities.slice(offset, offset + length));
    offset += length;
  }
}

function stopAfter(iterations: number): { hooks: Partial<TrainerHooks>; signal: AbortSignal } {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    hooks: { onIteration: ({ iteration }) => iteration === iterations && controller.abort() },
  };
}

function assertClose(actual: Float32Array, expected: Float32Array): void {
  const difference = Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)));
  assert.ok(difference < 1e-6, `${difference}`);
}

describe('the trainer', () => {
  it('gives the same bits when interrupted and resumed, across a drop of the learning rate', async () => {
    const whole = await train({});
    const { hooks, signal } = stopAfter(2);
    const first = await train({}, { hooks, signal });
    assert.equal(first.reason, 'interrupted');
    assert.equal(first.checkpoints.at(-1)!.iteration, 2);
    const second = await train({}, { from: first });
    assert.deepEqual(second.weights, whole.weights);
    assert.deepEqual(second.velocities, whole.velocities);
    assert.equal(second.state.schedule.learningRate, 0.0001);
    const facts = ({ metrics }: { metrics: readonly Metrics[] }) =>
      metrics.map(({ kind, iteration, loss, top1Error }) => ({ kind, iteration, loss, top1Error }));
    assert.deepEqual([...facts(first), ...facts(second)], facts(whole));
  });

  it('resumes in the middle of warm-up as if it had not been interrupted', async () => {
    const warm: PartialRecipe = { 'lr-reference-batch': 2, warmup: 4, 'log-every': 1 };
    const whole = await train(warm);
    const rates = whole.metrics.flatMap((line) => (line.kind === 'train' ? [line.learningRate] : []));
    // From 0.001 to twice as much over four iterations, a tenth of that from the third on.
    const expected = [0.00125, 0.0015, 0.00175, 0.0002, 0.0002];
    for (const [i, rate] of rates.entries()) assert.ok(Math.abs(rate - expected[i]!) < 1e-9, `${rates}`);
    const { hooks, signal } = stopAfter(2);
    const second = await train(warm, { from: await train(warm, { hooks, signal }) });
    assert.deepEqual(second.weights, whole.weights);
    assert.deepEqual(second.velocities, whole.velocities);
  });

  it('does not depend on the micro-batch beyond rounding', async () => {
    const [a, b] = [await train({ 'micro-batch': 4 }), await train({ 'micro-batch': 1 })];
    const largest = a.weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    // float32 sums of four gradients in another order: some units in the last place, over five steps.
    a.weights.forEach((w, i) => {
      assert.ok(Math.abs(w - b.weights[i]!) < 1e-5 * largest, `weight ${i}`);
    });
    assert.notDeepEqual(a.weights, (await train({ seed: 2 })).weights, 'and the seed does matter');
  });

  it('validates after each epoch and at the end', async () => {
    const { metrics } = await train({ iterations: 6 });
    const validated = metrics.filter(({ kind }) => kind === 'validation').map(({ iteration }) => iteration);
    // 10 images, batch 4: epochs end within iterations 3 and 5.
    assert.deepEqual(validated, [3, 5, 6]);
  });

  it('averages the weights from an epoch on: validates and saves the average, and trains as without it', async () => {
    const plain: Float32Array[] = [];
    const judged: Float32Array[] = [];
    const kept: Float32Array[] = [];
    const watch = (seen: Float32Array[]): Partial<TrainerHooks> => ({
      validate: async (parameters) => {
        seen.push(await all(parameters, 'values'));
        return { images: 1, loss: 1, top1Error: 1 / seen.length, top5Error: 0 };
      },
    });
    const without = await train({ iterations: 10 }, { hooks: watch(plain) });
    const averaged = await train(
      { iterations: 10, 'average-from': 2 },
      {
        hooks: {
          ...watch(judged),
          onBest: async (parameters, average) => {
            const values = parameters.specs.map(
              async ({ name }) => average?.read(name) ?? parameters.read('values', name),
            );
            kept.push(Float32Array.from((await Promise.all(values)).flatMap((tensor) => [...tensor])));
          },
        },
      },
    );
    // Epochs of 2.5 iterations: validated after 3, 5, 8 and 10.
    assert.equal(plain.length, 4);
    assert.deepEqual(judged[0], plain[0]);
    assert.deepEqual(judged[1], plain[1]);
    assert.deepEqual(kept, judged);
    const mean = (...sets: Float32Array[]) =>
      sets[0]!.map((_, i) => sets.reduce((sum, set) => sum + set[i]!, 0) / sets.length);
    assertClose(judged[2]!, mean(plain[1]!, plain[2]!));
    assertClose(judged[3]!, mean(plain[1]!, plain[2]!, plain[3]!));
    assert.deepEqual(averaged.weights, without.weights);
    assert.equal(averaged.state.averaged, 3);
  });

  it('continues the average of an interrupted session', async () => {
    const changes = { iterations: 10, 'average-from': 1 };
    const whole = await train(changes);
    const { hooks, signal } = stopAfter(6);
    const first = await train(changes, { hooks, signal });
    assert.equal(first.state.averaged, 2);
    const second = await train(changes, { from: first });
    assert.equal(second.state.averaged, 4);
    assert.deepEqual(second.weights, whole.weights);
    assert.deepEqual(second.average!.read('conv1_1.weight'), whole.average!.read('conv1_1.weight'));
  });

  it('ends at the plateau after the last drop', async () => {
    const options: PartialRecipe = { iterations: 100, patience: 1, 'lr-drops': 1, 'lr-drop-at': undefined };
    const { reason, state } = await train(options);
    assert.equal(reason, 'plateau');
    assert.equal(state.schedule.drops, 1);
    assert.ok(state.iteration < 20);
  });

  it('keeps the best model, not the last', async () => {
    const errors = [0.5, 0.2, 0.3];
    const best: number[] = [];
    let validations = 0;
    const hooks: Partial<TrainerHooks> = {
      validate: async () => ({ images: 1, loss: 1, top1Error: errors[validations++]!, top5Error: 0 }),
      onBest: async () => void best.push(validations),
    };
    const { state } = await train({ iterations: 6 }, { hooks });
    assert.deepEqual(best, [1, 2]);
    assert.deepEqual(state.best, { iteration: 5, top1Error: 0.2 });
  });

  it('stops when the loss is not finite, without a checkpoint', async () => {
    let checkpoints = 0;
    const hooks = { onCheckpoint: async () => void checkpoints++ };
    const training = train({ lr: 1e30, iterations: 50, 'lr-drop-at': '50' }, { hooks });
    await refused(training, /loss is not finite/);
    assert.ok(checkpoints <= 1);
  });
});

describe('a run whose images or disk fail', () => {
  const LOST = { index: 7, message: 'photos/7.jpg could not be read: there is no such file' };

  /** The noise images, whose third batch loses an image. */
  function losing(index = LOST.index): TrainingData {
    const { count, loadBatches } = noiseImages();
    return {
      count,
      async *loadBatches(plan) {
        let loaded = 0;
        for await (const batch of loadBatches(plan))
          yield ++loaded === 5 ? { ...batch, lost: [{ ...LOST, index }] } : batch;
      },
    };
  }
  const saved = (checkpoints: readonly TrainerState[]) => checkpoints.map(({ iteration }) => iteration);

  it('saves the iterations before an unreadable image, and names it', async () => {
    const checkpoints: TrainerState[] = [];
    const onCheckpoint = async (_: unknown, state: TrainerState) => void checkpoints.push(state);
    const whole = await train({ iterations: 2, 'validate-every': 9 });
    let weights: Float32Array | undefined;
    const keep = async (parameters: Parameters, state: TrainerState) => {
      await onCheckpoint(parameters, state);
      weights = await all(parameters, 'values');
    };
    await refused(
      train({ 'validate-every': 9 }, { hooks: { onCheckpoint: keep }, data: losing() }),
      /^a training image has become unreadable: photos\/7\.jpg could .*--skip-bad; training stopped after iteration 2, and this is saved; continue with --resume$/,
    );
    assert.deepEqual(saved(checkpoints), [2]);
    assert.deepEqual(weights, whole.weights);
  });

  it('goes on without it with skip-bad, remembers it, and stops when too many are lost', async () => {
    const notes: string[] = [];
    const { state } = await train(
      { 'skip-bad': true },
      { data: losing(), hooks: { onNote: (note) => notes.push(note) } },
    );
    assert.deepEqual(state.lost, [LOST.index]);
    assert.deepEqual(notes, [`${LOST.message}; it is left out from now on`]);
    const earlier = { ...state, iteration: 0, lost: [3] };
    await refused(
      train({ 'skip-bad': true }, { data: losing(), state: earlier }),
      /2 of 10 .* have become unreadable; check the disk/,
    );
  });

  it('saves before a validation that fails, and resumes with that validation', async () => {
    const plan: PartialRecipe = { 'validate-every': 1, 'average-from': 0 };
    const whole = await train(plan);
    let saved: { state: TrainerState; average: WeightAverage | undefined } | undefined;
    const broken: Partial<TrainerHooks> = {
      validate: () => Promise.reject(new UserError('val/1.jpg could not be read')),
      onCheckpoint: async (_, state, average) => {
        saved = { state, average };
      },
    };
    await refused(
      train(plan, { hooks: broken }),
      /^val\/1\.jpg could not be read; training stopped after iteration 3, and this is saved/,
    );
    const part = await train({ ...plan, iterations: 3, 'validate-every': 9 });
    const resumed = await train(plan, { from: { ...part, ...saved! } });
    const validations = ({ metrics }: Session) =>
      metrics.flatMap(({ kind, iteration }) => (kind === 'validation' ? [iteration] : []));
    assert.deepEqual(validations(resumed), validations(whole));
    assert.deepEqual(resumed.state.averaged, whole.state.averaged);
    assertClose(resumed.weights, whole.weights);
  });

  it('writes the checkpoint before the best model, and the best model again when that failed', async () => {
    const written: string[] = [];
    const full = new UserError('best.safetensors could not be written: the disk is full');
    let saved: TrainerState | undefined;
    const hooks: Partial<TrainerHooks> = {
      onBest: async () => {
        written.push('best');
        throw full;
      },
      onCheckpoint: async (_, state) => {
        written.push('last');
        saved = state;
      },
    };
    await refused(
      train({}, { hooks }),
      /the disk is full; training stopped after iteration 3, and this is saved/,
    );
    assert.deepEqual(written, ['last', 'best']);
    const again = { hooks: { onBest: async () => void written.push('best again') }, state: saved };
    await train({}, again);
    assert.deepEqual(written, ['last', 'best', 'best again']);
  });

  it('names the last checkpoint if the disk has no room for another', async () => {
    const onCheckpoint = async (_: unknown, { iteration }: TrainerState) => {
      if (iteration > 2) throw new UserError('last.safetensors could not be written: the disk is full');
    };
    await refused(
      train({ 'checkpoint-every': 1 }, { hooks: { onCheckpoint } }),
      /the disk is full; training stopped after iteration 3, and iteration 2 is saved; continue with --resume/,
    );
  });
});

describe('training with frozen layers', () => {
  /** Images that look alike in every epoch, as without augmentation. */
  function fixedImages(): { data: TrainingData; loaded: number[] } {
    const data = noiseImages();
    const loaded: number[] = [];
    return {
      loaded,
      data: {
        ...data,
        fixedView: () => 0,
        loadBatches: (plan) =>
          data.loadBatches(
            (function* () {
              for (const batch of plan) {
                loaded.push(...batch.images);
                yield batch;
              }
            })(),
          ),
      },
    };
  }
  const changes: PartialRecipe = { from: 'a', freeze: 'features', dropout: 0, iterations: 10 };

  it('changes only the others, as if the frozen ones had run in training', async () => {
    const { weights } = await train(changes);
    const slow = 'features=1e-30';
    const { weights: other } = await train({ from: 'a', dropout: 0, iterations: 10, 'lr-scale': slow });
    const network = buildNetwork({ configuration: 'A', width: TINY.width!, crop: 32, classes: CLASSES });
    const initial = initialize(network, { method: 'he-unscaled', seed: 3 });
    const start = network.parameters.flatMap(({ name }) => [...initial.get(name)!]);
    const frozen = network.parameters
      .filter(({ name }) => name.startsWith('conv'))
      .reduce((sum, { name }) => sum + initial.get(name)!.length, 0);
    assert.deepEqual([...weights.subarray(0, frozen)], start.slice(0, frozen));
    assert.notDeepEqual([...weights.subarray(frozen)], start.slice(frozen));
    assert.deepEqual(weights.subarray(frozen), other.subarray(frozen));
  });

  it('computes fixed images once, with the same result', async () => {
    const { data, loaded } = fixedImages();
    const { weights } = await train(changes, { data });
    assert.ok(loaded.length < 3 * COUNT, `${loaded.length} images were loaded for 4 epochs of ${COUNT}`);
    assert.deepEqual(weights, (await train(changes)).weights);
  });

  it('resumes with the same result', async () => {
    const first = await train({ ...changes, iterations: 4 });
    const second = await train(changes, { from: first });
    assert.deepEqual(second.weights, (await train(changes)).weights);
  });
});
