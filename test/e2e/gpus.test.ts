/** Several GPUs, as a user has them: identical software devices. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertSameTraining, difference, TRAINING, WEIGHT_BOUND } from '../mpi/same-training.ts';
import { softwareGpus, withoutSoftwareGpus } from '../support/software-gpus.ts';
import { type CommandLine, type Outcome, succeeded, vggWith, words } from './cli-process.ts';
import { Workplace } from './training-runs.ts';

/** Few steps: after more, a pool may compare values that are equal up to rounding (test/mpi/same-training.ts). */
const SHORT = words`${TRAINING} --iterations 3 --backend webgpu`;

describe('several identical GPUs', { skip: withoutSoftwareGpus }, () => {
  const work = new Workplace();
  const environment = { ...work.environment, ...(withoutSoftwareGpus ? {} : softwareGpus(work.folder, 3)) };
  const vgg = (...command: CommandLine): Promise<Outcome> => vggWith(environment, ...command);
  const photos = () => work.path('photos');
  const alone = () => work.path('alone');

  it('are listed by vgg doctor', async () => {
    const { stdout } = await vgg`doctor`;
    const text = stdout.replace(/\s+/g, ' ');
    for (const number of [0, 1, 2]) assert.ok(text.includes(`${number}: SwiftShader`), stdout);
    assert.match(text, /buffers up to [\d.]+ GiB, (no )?f16, subgroups/);
  });

  it('train as one of them does', async () => {
    await succeeded(vgg`train ${photos()} --out ${alone()} ${SHORT} --gpus device=2`);
    for (const which of ['all', '0,1']) {
      const run = work.path(`run-${which}`);
      const { stderr } = await succeeded(vgg`train ${photos()} --out ${run} ${SHORT} --gpus ${which}`);
      assert.match(stderr, new RegExp(`WebGPU, ${which === 'all' ? 3 : 2} GPUs: .*SwiftShader`));
      await assertSameTraining(alone(), run);
    }
  });

  it('continue a run of another number of GPUs, as the processor does', async () => {
    const run = work.path('changing');
    await succeeded(vgg`train ${photos()} --out ${run} ${SHORT} --gpus 2 --iterations 1`);
    await succeeded(vgg`train --resume --out ${run} --gpus all --iterations 2`);
    await succeeded(vgg`train --resume --out ${run} --backend reference --iterations 3`);
    assert.ok((await difference(alone(), run)) < WEIGHT_BOUND);
  });

  it('evaluate with the same result', async () => {
    const evaluate = async (gpus: string) => {
      const model = `${alone()}/last.safetensors`;
      const flags = words`--model ${model} --backend webgpu --gpus ${gpus} --json`;
      const { stdout } = await succeeded(vgg`evaluate ${photos()} ${flags}`);
      const { seconds: _, ...result } = JSON.parse(stdout);
      return result;
    };
    assert.deepEqual(await evaluate('all'), await evaluate('device=1'));
  });

  it('that do not exist or do not apply are refused', async () => {
    for (const [flags, message] of [
      [words`--backend webgpu --gpus 4`, /^vgg: --gpus 4: this machine has 3; .*2: SwiftShader/m],
      [words`--gpus all`, /gpus applies to backend webgpu, not to native/],
    ] as const) {
      const { code, stderr } = await vgg`train ${photos()} --out ${work.path('none')} ${TRAINING} ${flags}`;
      assert.notEqual(code, 0);
      assert.match(stderr, message);
    }
    const { code, stderr } = await vgg`bench --config A --gpus all`;
    assert.notEqual(code, 0);
    assert.match(stderr, /gpus works only with the backend webgpu/);
  });
});
