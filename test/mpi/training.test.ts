/** N ranks train as one process does. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { succeeded, words } from '../e2e/cli-process.ts';
import { tensorsOf, Workplace } from '../e2e/training-runs.ts';
import { vggRanks, withoutMpi } from './ranks.ts';
import {
  assertSameTraining,
  difference,
  EXACT,
  LOSS_BOUND,
  metricsOf,
  TRAINING,
  WEIGHT_BOUND,
} from './same-training.ts';

describe('training over ranks', { skip: withoutMpi }, () => {
  const work = new Workplace();
  const photos = () => work.path('photos');

  it('of one process, for comparison', async () => {
    await succeeded(work.vgg`train ${photos()} --out ${work.path('alone')} ${EXACT}`);
  });

  for (const ranks of [1, 2, 3, 4]) {
    it(`${ranks}: loss curve and weights are those of one process, to rounding`, async () => {
      const run = work.path(`ranks-${ranks}`);
      const args = words`train ${photos()} --out ${run} ${EXACT} --mpi --json`;
      const { stdout } = await succeeded(vggRanks(ranks, args, work.environment));
      assert.equal(JSON.parse(stdout).iterations, 8, 'one rank alone prints the result');
      await assertSameTraining(work.path('alone'), run);
    });
  }

  it('continues with a different number of ranks, and alone', async () => {
    const run = work.path('changing');
    const steps: [ranks: number, iterations: string][] = [
      [2, '3'],
      [3, '6'],
      [0, '8'],
    ];
    for (const [ranks, iterations] of steps) {
      const start = iterations === '3' ? [photos(), ...EXACT, '--mpi'] : ['--resume'];
      const args = ['train', ...start, '--out', run, '--iterations', iterations];
      await succeeded(ranks === 0 ? work.vgg(...args) : vggRanks(ranks, args, work.environment));
    }
    assert.ok((await difference(work.path('alone'), run)) < WEIGHT_BOUND);
  });

  it('takes ranks that have no image of a batch', async () => {
    const few = words`${EXACT} --batch 2 --iterations 2`;
    await succeeded(work.vgg`train ${photos()} --out ${work.path('few-alone')} ${few}`);
    const args = words`train ${photos()} --out ${work.path('few')} ${few}`;
    await succeeded(vggRanks(3, args, work.environment));
    await assertSameTraining(work.path('few-alone'), work.path('few'));
  });

  it('is repeated bit for bit on the fast backend, with gradients sent during the backward pass', async () => {
    const runs = [work.path('fast-1'), work.path('fast-2')];
    for (const run of runs) {
      const args = words`train ${photos()} --out ${run} ${TRAINING} --threads 1 --iterations 6`;
      await succeeded(vggRanks(2, args, work.environment));
    }
    const [a, b] = await Promise.all(runs.map((run) => tensorsOf(`${run}/last.safetensors`)));
    assert.deepEqual(a, b);
    const line = JSON.parse((await readFile(`${runs[0]}/metrics.jsonl`, 'utf8')).split('\n', 1)[0]!);
    assert.ok(line.exchangeSeconds > 0 && line.exchangeHidden >= 0 && line.exchangeHidden <= 1);
  });

  it('with bf16 gradients is close, and not the same', async () => {
    const run = work.path('brief');
    const args = words`train ${photos()} --out ${run} ${EXACT} --gradient-dtype bf16`;
    await succeeded(vggRanks(2, args, work.environment));
    const [exact, rounded] = [await metricsOf(work.path('alone')), await metricsOf(run)];
    const apart = exact.map(({ loss }, i) => Math.abs(rounded[i]!.loss - loss) / loss);
    assert.ok(Math.max(...apart) > LOSS_BOUND && Math.max(...apart) < 0.01, `${apart}`);
  });
});
