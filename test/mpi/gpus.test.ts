/** Ranks with GPUs train as one process with one GPU does. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outcomeOf, succeeded, vggWith, words } from '../e2e/cli-process.ts';
import { linesOf, Workplace } from '../e2e/training-runs.ts';
import { softwareGpus, withoutSoftwareGpus } from '../support/software-gpus.ts';
import { startRanks, testScript, vggRanks, withoutMpi } from './ranks.ts';
import { assertSameTraining, difference, TRAINING, WEIGHT_BOUND } from './same-training.ts';

/** Few steps, for the reason given in same-training.ts. */
const SHORT = words`${TRAINING} --iterations 3`;

describe('ranks with GPUs', { skip: withoutMpi || withoutSoftwareGpus }, () => {
  const work = new Workplace();
  const environment = { ...work.environment, ...(withoutSoftwareGpus ? {} : softwareGpus(work.folder, 3)) };
  const photos = () => work.path('photos');
  const alone = () => work.path('alone');

  it('one GPU, for comparison', async () => {
    await succeeded(
      vggWith(environment, ...words`train ${photos()} --out ${alone()} ${SHORT} --backend webgpu`),
    );
  });

  for (const [what, flags] of [
    ['a GPU each', []],
    ['three GPUs for two ranks', words`--gpus all`],
  ] as const) {
    it(`${what}: loss curve and weights are those of one GPU, to rounding`, async () => {
      const run = work.path(`ranks ${what}`);
      const args = ['train', photos(), '--out', run, ...SHORT, '--backend', 'webgpu', ...flags];
      await succeeded(vggRanks(2, args, environment));
      await assertSameTraining(alone(), run);
      const [line] = await linesOf(`${run}/metrics.jsonl`);
      assert.ok(line.exchangeSeconds > 0 && line.exchangeHidden >= 0 && line.exchangeHidden <= 1);
    });
  }

  it('mixed with a rank on the processor', async () => {
    const run = work.path('mixed');
    const args = ['train', photos(), '--out', run, ...SHORT];
    const ranks = startRanks(2, testScript('./different-backends-worker.js'), args, environment);
    const { stderr } = await succeeded(outcomeOf(ranks));
    assert.match(stderr, /the ranks have different backends: .*WebGPU, 3 GPUs/);
    await assertSameTraining(alone(), run);
  });

  it('with bf16 gradients: close, and not the same', async () => {
    const run = work.path('brief');
    const args = words`train ${photos()} --out ${run} ${SHORT} --backend webgpu --gradient-dtype bf16`;
    await succeeded(vggRanks(2, args, environment));
    const apart = await difference(alone(), run);
    assert.ok(apart > WEIGHT_BOUND && apart < 0.1, String(apart));
  });
});
