/** Choosing the fastest kernels on a GPU: measured once, remembered, and then always the same. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { RememberedLines } from '../../src/core/cache.ts';
import { type Layer, parameterSpecs } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import { prepare } from '../../src/kernels/webgpu/dispatch.ts';
import type { GpuOptions } from '../../src/kernels/webgpu/gpu.ts';
import { Stopwatch } from '../../src/kernels/webgpu/gpu-clock.ts';
import { rememberedTiles } from '../../src/kernels/webgpu/node-gpu.ts';
import type { Tile } from '../../src/kernels/webgpu/shaders/product.ts';
import { RELU } from '../../src/kernels/webgpu/shaders/relu-and-dropout.ts';
import { isConvolution, type PlacedConvolution, stagesOf } from '../../src/kernels/webgpu/stages.ts';
import {
  candidatesFor,
  choiceName,
  type Direction,
  defaultChoice,
} from '../../src/kernels/webgpu/tuning/candidates.ts';
import { chooseKernels, fastest, rounds } from '../../src/kernels/webgpu/tuning/measurement.ts';
import { TileLines } from '../../src/kernels/webgpu/tuning/remembered-tiles.ts';
import type { WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { openWebGpu, reference, webgpuUnderTest } from '../support/backends.ts';
import {
  chainCase,
  convolution,
  createParameters,
  readAll,
  relu,
  runBackward,
  runForward,
} from '../support/chains.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { skip, networkTolerance } = webgpuUnderTest;

/** Few and small tiles, as a software GPU takes a while to compile each. */
const small = (rows: number): Tile => ({ threadsX: 2, threadsY: 2, rows, columns: 1, depth: 0 });
const candidates = {
  gather: [small(1), small(2)],
  weightGradient: [small(1)],
  winograd: [{ size: 2, tile: small(1) }],
  winogradWeights: [{ size: 2, tile: small(1) }],
  split: [],
} as const;

const open = (options: GpuOptions) => openWebGpu({ tuningSeconds: 1e9, candidates, ...options });

const layers: readonly Layer[] = [
  convolution(5, 18, { name: 'conv1' }),
  relu('relu1'),
  convolution(18, 18, { name: 'conv2' }),
  relu('relu2'),
  convolution(18, 18, { name: 'conv3' }),
  relu('relu3'),
];
const shape: Shape4 = [2, 5, 9, 7];
const shapes: Shape4[] = [shape, ...Array<Shape4>(6).fill([2, 18, 9, 7])];
const testCase = chainCase(layers, shape, 41);
const input = randomTensor(42, shape);
const gradient = randomTensor(43, [2, 18, 9, 7]);
const keys = ['2-5-9-7-18-3-1', '2-18-9-7-18-3-1'];

/** The names of all choices for the chain's second convolution. */
function namesFor(backend: WebGpuBackend, direction: Direction): string[] {
  const parameters = backend.createParameters(parameterSpecs(layers), { training: false });
  const placed = stagesOf(layers, shapes, true).filter(isConvolution)[1]!;
  return candidatesFor(backend.gpu, parameters, direction, placed).map(choiceName);
}

describe('webgpu: tuning', { skip }, () => {
  const { folder } = new TemporaryFolder();

  it('measures each shape and direction once, and remembers the result for the next process', async () => {
    const schedules = rememberedTiles('a GPU', folder);
    const backend = await open({ schedules });
    const first = await runBackward(backend, testCase, input, gradient);
    await schedules.written();
    const directions = ['forward', 'backward', 'weights'] as const;
    assert.deepEqual(
      schedules.lines.map((line) => line.split(' ')[0]).sort(),
      keys.flatMap((key) => directions.map((direction) => `${direction}-${key}`)).sort(),
    );
    for (const line of schedules.lines) {
      const [key, name] = line.split(' ') as [string, string];
      assert.ok(namesFor(backend, key.split('-')[0] as Direction).includes(name), line);
    }

    const again = rememberedTiles('a GPU', folder);
    assert.deepEqual(again.lines, schedules.lines);
    assert.deepEqual(await runBackward(await open({ schedules: again }), testCase, input, gradient), first);
    assert.deepEqual(again.lines, schedules.lines);
    assert.deepEqual(rememberedTiles('another GPU', folder).lines, []);

    const expected = await runBackward(reference, testCase, input, gradient);
    assertClose('output', first.output, expected.output, networkTolerance);
    assertClose('input gradient', first.inputGradient, expected.inputGradient, networkTolerance);
  });

  it('uses remembered choices without a trial, and the default ones otherwise', async () => {
    const name = choiceName({ method: 'direct', tile: small(2) });
    const schedules = new TileLines([`inference-${keys[1]} ${name}`]);
    const backend = await open({ schedules, tuningSeconds: 0 });
    const parameters = backend.createParameters(parameterSpecs(layers), { training: false });
    const stages = stagesOf(layers, shapes, false);
    const choose = await chooseKernels(parameters, stages, ['forward']);
    const [first, second] = stages.filter(isConvolution) as [PlacedConvolution, PlacedConvolution];
    assert.equal(choiceName(choose('forward', second)), name);
    const defaultFor = defaultChoice(backend.gpu.tiles, parameters);
    assert.deepEqual(choose('forward', first), defaultFor('forward', first));
    assert.deepEqual(choose('backward', second), defaultFor('backward', second));
    parameters.dispose();
  });

  it('measures again if a remembered name is unknown', async () => {
    const lines = keys.map((key) => `inference-${key} direct:no-such-tile`);
    const schedules = new TileLines(lines);
    const backend = await open({ schedules });
    await runForward(backend, testCase, input);
    for (const key of keys) {
      assert.ok(namesFor(backend, 'forward').includes(schedules.get(`inference-${key}`)!));
    }
  });

  it('trials do not change weights or gradients', async () => {
    const backend = await open({ schedules: new TileLines() });
    const parameters = await createParameters(backend, layers, testCase.values);
    const before = new Map([...testCase.values].map(([name, data]) => [name, data.map((w) => 2 * w)]));
    for (const [name, data] of before) await parameters.write('gradients', name, data);
    const program = await backend.compileTraining({ layers, inputShape: shape, parameters });
    assert.deepEqual(await readAll(parameters, 'gradients'), before);
    assert.deepEqual(await readAll(parameters, 'values'), testCase.values);
    program.dispose();
    parameters.dispose();
  });

  it('without time or when off, remembers nothing and runs the default kernels', async () => {
    const expected = await runBackward(await open({ schedules: 'off' }), testCase, input, gradient);
    const kept: (readonly string[])[] = [];
    const schedules = new TileLines([], (lines) => kept.push(lines));
    const hurried = await open({ schedules, tuningSeconds: 0 });
    assert.deepEqual(await runBackward(hurried, testCase, input, gradient), expected);
    assert.deepEqual(kept, []);
  });

  it('the environment decides whether the cache folder is used: off, on, or (default) on real GPUs only', async () => {
    const cache = join(folder, 'cache');
    const previous = { ...process.env };
    try {
      process.env.XDG_CACHE_HOME = cache;
      for (const [asked, isWritten] of [
        ['off', false],
        ['on', true],
      ] as const) {
        process.env.VERYDEEP_SCHEDULES = asked;
        const { gpu } = await open({});
        assert.equal(gpu.tuning !== undefined, isWritten);
        if (gpu.tuning) {
          gpu.tuning.memory.add(['key direct:name']);
          await (gpu.tuning.memory as RememberedLines).written();
        }
        assert.equal((await readdir(folder)).includes('cache'), isWritten);
      }
      delete process.env.VERYDEEP_SCHEDULES;
      const { gpu } = await open({});
      assert.equal(gpu.tuning === undefined, gpu.isSoftware);
    } finally {
      for (const name of ['XDG_CACHE_HOME', 'VERYDEEP_SCHEDULES']) delete process.env[name];
      Object.assign(process.env, previous);
    }
  });

  for (const useTimestamps of [true, false]) {
    it(`a run takes time, ${useTimestamps ? "by the GPU's clock" : 'by the process’s'}`, async (t) => {
      const { gpu } = await open({});
      if (useTimestamps && !gpu.device.features.has('timestamp-query')) return t.skip('it has no clock');
      const buffers = [1, 2].map(() => gpu.storage('a tensor', 2 ** 16));
      const call = gpu.uniform(Uint32Array.of(1, 0, 0, 0).buffer);
      const vectors = gpu.uniform(Uint32Array.of(2 ** 14).buffer);
      const prepared = await prepare(gpu, [
        { code: RELU, bindings: [call, vectors, ...buffers], groups: () => [64] },
      ]);
      const stopwatch = new Stopwatch(gpu, useTimestamps);
      assert.ok((await stopwatch.seconds(prepared, 1, 50)) > 0);
      stopwatch.dispose();
    });
  }
});

describe('timing of candidate kernels', () => {
  const after = (limit: number, times: readonly number[]) => {
    const runs: [number, number][] = [];
    const timed = (index: number, repetitions: number) => {
      if (runs.length === limit) return undefined;
      runs.push([index, repetitions]);
      return Promise.resolve(times[index]!);
    };
    return { runs, timed };
  };

  it('candidates take turns; much slower ones run once; fast ones are repeated', async () => {
    const { runs, timed } = after(Infinity, [0.001, 0.0005, 0.002]);
    const least = await rounds([0, 1, 2], timed);
    assert.deepEqual(Object.fromEntries(least!), { 0: 0.001, 1: 0.0005 });
    const turns = ['0 2', '1 4'];
    assert.deepEqual(
      runs.map((run) => run.join(' ')),
      ['0 1', '1 1', '2 1', ...turns, ...turns, ...turns],
    );
  });

  it('there is no result when time runs out', async () => {
    assert.equal(await rounds([0, 1], after(5, [1, 1]).timed), undefined);
    assert.equal(await rounds([0, 1], after(1, [1, 1]).timed), undefined);
  });

  it('a candidate replaces the default only if it is clearly faster', () => {
    const times = (...list: number[]) => new Map(list.map((time, index) => [index, time]));
    assert.equal(fastest(times(1, 0.99, 0.98)), 0);
    assert.equal(fastest(times(1, 0.9, 0.8, 0.85)), 2);
    const withoutDefault = new Map<number, number>().set(3, 2).set(1, 5);
    assert.equal(fastest(withoutDefault), 3);
  });
});
