import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { platform } from 'node:os';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runFolder } from '../../src/runs/run-folder.ts';
import { isBeingTrained } from '../../src/runs/run-lock.ts';
import { readCheckpoint } from '../../src/train/checkpoint.ts';
import { mainFile, type Outcome, outcomeOf, succeeded, words } from '../e2e/cli-process.ts';
import { QUICK, Workplace } from '../e2e/training-runs.ts';
import { isHydra, processOf, startRanks, testScript, vggRanks, withoutMpi } from './ranks.ts';

const ENDLESS = words`${QUICK} --iterations 100000 --checkpoint-every 2 --threads 1`;
/** Seconds of silence: longer than other tests on this machine may delay a rank. */
const PATIENCE = '5';

describe('ranks that fail', { skip: withoutMpi || (platform() !== 'linux' && 'looks into /proc') }, () => {
  const work = new Workplace();

  /** Sends a signal to a rank once the run has a checkpoint. */
  async function disturb(run: string, rank: number, signal: NodeJS.Signals): Promise<Outcome> {
    const args = ['train', work.path('photos'), '--out', run, ...ENDLESS, '--mpi-timeout', PATIENCE];
    const mpirun = startRanks(3, mainFile, args, work.environment, { tolerant: signal === 'SIGKILL' });
    const ended = outcomeOf(mpirun);
    while (!existsSync(`${run}/last.safetensors`)) await sleep(50);
    process.kill(processOf(mpirun.pid!, rank), signal);
    return ended;
  }

  function assertNamed(stderr: string, rank: number, signal: NodeJS.Signals): void {
    const lines = stderr.split('\n').filter((line) => line.startsWith('vgg: '));
    // Open MPI's launcher leaves survivors alone here, and they also notice the exit of the one that reported.
    assert.ok(lines.length === 1 || (signal === 'SIGKILL' && !isHydra && lines.length > 1), stderr);
    const fate = isHydra && signal === 'SIGKILL' ? 'died' : 'has sent no heartbeat for \\d+ s';
    assert.match(lines[0]!, new RegExp(`^vgg: rank ${rank} on \\S+ \\(process \\d+\\) ${fate}: .*--resume$`));
  }

  for (const [signal, rank] of [
    ['SIGKILL', 1],
    ['SIGSTOP', 2],
    ['SIGSTOP', 0],
  ] as const) {
    it(`${signal} of rank ${rank}: a survivor reports it, all end, and the run continues`, async () => {
      const run = work.path(`${signal}-${rank}`);
      const { code, stderr } = await disturb(run, rank, signal);
      // The exit code of Open MPI's launcher is undefined where it leaves survivors alone.
      if (isHydra || signal !== 'SIGKILL') assert.notEqual(code, 0, stderr);
      assertNamed(stderr, rank, signal);
      while (await isBeingTrained(runFolder(run))) await sleep(50);
      const { iteration } = (await readCheckpoint(`${run}/last.safetensors`))!.state;
      const args = words`train --out ${run} --resume --iterations ${iteration + 2} --json`;
      const { stdout } = await succeeded(vggRanks(2, args, work.environment));
      assert.equal(JSON.parse(stdout).iterations, iteration + 2);
    });
  }

  for (const [late, others] of [
    [1, 0],
    [0, 1],
  ]) {
    it(`rank ${late} is late: one rank reports it, and all continue when it arrives`, async () => {
      const file = work.path(`come-${late}`);
      const mpirun = startRanks(3, testScript('./late-worker.js'), [String(late), file], work.environment);
      const ended = outcomeOf(mpirun);
      mpirun.stderr!.on('data', (text: string) => {
        if (text.includes('waiting for')) writeFileSync(file, '');
      });
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
      const said = stderr.split('\n').filter((line) => line.includes('waiting for'));
      assert.equal(said.length, 1, `rank ${others} alone: ${stderr}`);
      assert.match(
        said[0]!,
        new RegExp(`^waiting for rank ${late} on \\S+ \\(process \\d+\\) for \\d+ s: alive, `),
      );
    });
  }

  it('an error on all ranks is reported once, with its exit code', async () => {
    const args = ['train', work.path('photos'), '--out', work.path('none'), ...QUICK, '--skip-bad'];
    const { code, stderr } = await vggRanks(2, [...args, '--limit', '0'], work.environment);
    assert.equal(code, 2, stderr);
    const missing = await vggRanks(2, ['train', work.path('no-photos'), '--out', 'x'], work.environment);
    assert.notEqual(missing.code, 0);
    assert.equal(missing.stderr.match(/^vgg: .*no-photos/gm)?.length, 1, missing.stderr);
  });

  it('ranks with different flags do not start', async () => {
    const args = ['train', work.path('photos'), '--out', work.path('mixed'), ...QUICK];
    const { code, stderr } = await outcomeOf(
      startRanks(2, testScript('./different-flags-worker.js'), args, work.environment),
    );
    assert.notEqual(code, 0);
    assert.match(
      stderr,
      /vgg: rank 1 on \S+ \(process \d+\) and rank 0 do not have the same recipe; start all ranks with the same flags/,
    );
  });

  it('SIGUSR2 of one rank stops all, with a checkpoint', async () => {
    const run = work.path('stopped');
    const args = ['train', work.path('photos'), '--out', run, ...ENDLESS];
    const mpirun = startRanks(2, mainFile, args, work.environment);
    const ended = outcomeOf(mpirun);
    while (!existsSync(`${run}/last.safetensors`)) await sleep(50);
    process.kill(processOf(mpirun.pid!, 1), 'SIGUSR2');
    const { code, stderr } = await ended;
    assert.equal(code, 130, stderr);
    const stoppedAt = Number(/stopped after iteration (\d+), which is saved/.exec(stderr)![1]);
    assert.equal((await readCheckpoint(`${run}/last.safetensors`))!.state.iteration, stoppedAt);
  });
});
