/** Schedules of the native kernels, found while programs run: results do not depend on them, and they are remembered. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Layer } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import type { Parameters, TrainingProgram } from '../../src/kernels/backend.ts';
import type { NativeBackend } from '../../src/kernels/native/native-backend.ts';
import { createNativeBackend, rememberedSchedules } from '../../src/kernels/native/open-native.ts';
import { nativeUnderTest } from '../support/backends.ts';
import { chainCase, convolution, inTraining, maxPool, readAll, relu } from '../support/chains.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { randomTensor } from '../support/tensors.ts';

const { skip } = nativeUnderTest;

const layers: readonly Layer[] = [
  convolution(64, 280, { name: 'conv1' }),
  relu('relu1'),
  convolution(280, 48, { name: 'conv2' }),
  relu('relu2'),
  maxPool(),
];
const shape: Shape4 = [6, 64, 30, 30];
const testCase = chainCase(layers, shape, 31);
const input = randomTensor(32, shape);
const gradient = randomTensor(33, [6, 48, 15, 15]);
/** Enough to try all candidates in all rounds. */
const RUNS = 35;

/** Returns the results of several runs of one program. */
function runs(backend: NativeBackend, count: number) {
  const repeat = async (program: TrainingProgram, parameters: Parameters) => {
    const results = [];
    for (let run = 0; run < count; run++) {
      await parameters.zeroGradients();
      const { output, inputGradient } = await program.backward({ input }, gradient);
      results.push({ output, inputGradient, gradients: await readAll(parameters, 'gradients') });
    }
    return results;
  };
  return inTraining(backend, testCase, repeat, true);
}

describe('native: schedules', { skip }, () => {
  const { folder } = new TemporaryFolder();

  it('no schedule changes a bit of any result, with one thread or more', async () => {
    const [usual] = await runs(createNativeBackend({ threads: 1, schedules: 'off' }), 1);
    for (const threads of [1, 2, 3]) {
      const schedules = rememberedSchedules(join(folder, `bits-${threads}`));
      for (const result of await runs(createNativeBackend({ threads, schedules }), RUNS)) {
        assert.deepEqual(result, usual);
      }
      await schedules.written();
    }
  });

  it('the next process remembers the findings, one for each layer and pass', async () => {
    const schedules = rememberedSchedules(join(folder, 'found'));
    assert.equal(schedules.lines.length, 0);
    await runs(createNativeBackend({ threads: 2, schedules }), RUNS);
    await schedules.written();
    const found: readonly string[] = rememberedSchedules(join(folder, 'found')).lines;
    assert.deepEqual(found, schedules.lines);
    const kinds = found.map((line) => /^(?:forward|backward)(?:-pool)?-6-30-30-/.exec(line)?.[0]);
    assert.deepEqual(kinds.sort(), [
      'backward-6-30-30-',
      'backward-pool-6-30-30-',
      'forward-6-30-30-',
      'forward-pool-6-30-30-',
    ]);
    // Known choices are not measured again.
    const again = rememberedSchedules(join(folder, 'found'));
    await runs(createNativeBackend({ threads: 2, schedules: again }), RUNS);
    assert.deepEqual(again.lines, found);
  });

  it('off: tries and writes nothing', async () => {
    const before = await readdir(folder);
    const backend = createNativeBackend({ threads: 2, schedules: 'off' });
    await runs(backend, RUNS);
    assert.deepEqual(await readdir(folder), before);
  });
});

describe('remembered schedules', () => {
  const { folder } = new TemporaryFolder();

  it('keeps the last line of each key, and only well-formed lines', async () => {
    const memory = rememberedSchedules(folder);
    memory.add(['a-1 84 0', 'b-2 128 1']);
    memory.add(['a-1 48 0']);
    await memory.written();
    assert.deepEqual(rememberedSchedules(folder).lines, ['b-2 128 1', 'a-1 48 0']);
    const file = join(folder, 'schedules', (await readdir(join(folder, 'schedules')))[0]!);
    await writeFile(file, `${await readFile(file, 'utf8')}c 1e9 1\nd 5\n\u0000\n`);
    assert.deepEqual(rememberedSchedules(folder).lines, ['b-2 128 1', 'a-1 48 0']);
  });

  it('ignores a file of another version or kind', async () => {
    const file = join(folder, 'schedules', (await readdir(join(folder, 'schedules')))[0]!);
    await writeFile(file, 'verydeep schedules 0\na-1 84 0\n');
    assert.deepEqual(rememberedSchedules(folder).lines, []);
  });

  it('a read-only folder is not an error', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const memory = rememberedSchedules(file);
    memory.add(['a-1 84 0']);
    await memory.written();
    assert.deepEqual(memory.lines, ['a-1 84 0']);
  });
});
