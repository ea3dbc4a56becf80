/** The watchdog of each rank under MPICH, whose launcher is not needed for this. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { hostname, platform } from 'node:os';
import { describe, it } from 'node:test';
import { startWatchdog } from '../../src/comm/watchdog.ts';
import { outcomeOf } from '../e2e/cli-process.ts';
import { testScript } from './ranks.ts';

const skip = platform() === 'win32' && 'there is no sh';

describe('the watchdog of a rank', { skip }, () => {
  /** A rank in a process group of its own, as launchers make them. */
  const start = (...args: string[]): ChildProcess =>
    spawn(process.execPath, [testScript('./watchdog-worker.js'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
  const ready = (rank: ChildProcess): Promise<unknown> =>
    new Promise((resolve) => rank.stdout!.once('data', resolve));

  for (const [fate, signal] of [
    ['was killed', 'SIGKILL'],
    ['has crashed', 'SIGABRT'],
  ] as const) {
    it(`names one that ${fate}`, async () => {
      const rank = start();
      const ended = outcomeOf(rank);
      await ready(rank);
      process.kill(rank.pid!, signal);
      assert.equal((await ended).stderr, `rank 3 on ${hostname()} (process ${rank.pid}) died\n`);
    });
  }

  it('is silent about one that the launcher ends with its group', async () => {
    const rank = start();
    const ended = outcomeOf(rank);
    await ready(rank);
    process.kill(-rank.pid!, 'SIGKILL');
    assert.equal((await ended).stderr, '');
  });

  it('is silent about one that ends with an exit code', async () => {
    const { code, stderr } = await outcomeOf(start('3'));
    assert.deepEqual({ code, stderr }, { code: 3, stderr: '' });
  });

  it('is refused if it cannot reach the launcher, as behind npx', () => {
    const closed = { MPI_LOCALRANKID: '0', PMI_FD: '999', PMI_RANK: '1' };
    assert.throws(() => startWatchdog(() => '', closed), /^UserError: MPICH's mpirun .* without npx$/);
  });

  it('does not stand beside a rank of another launcher', () => {
    const openMpi = { OMPI_COMM_WORLD_RANK: '1', OMPI_COMM_WORLD_SIZE: '2' };
    const slurm = { PMI_FD: '6', PMI_RANK: '1', PMI_SIZE: '2' };
    for (const environment of [openMpi, slurm]) {
      const watchdog = startWatchdog(() => '', environment);
      assert.equal(watchdog, undefined);
    }
  });
});
