import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { detectLaunch } from '../../../src/comm/launch.ts';

describe('how a process was started', () => {
  for (const [launcher, environment] of [
    ["Open MPI's mpirun", { OMPI_COMM_WORLD_SIZE: '4' }],
    ["MPICH's mpirun", { PMI_SIZE: '4' }],
    ['srun', { SLURM_STEP_NUM_TASKS: '4', SLURM_NTASKS: '8' }],
  ] as const) {
    it(`by ${launcher}, as one of several`, () => {
      assert.deepEqual(detectLaunch(environment), { launcher, processes: 4 });
    });
  }

  it('alone: by hand, as the only process, or in the batch script of a job with many tasks', () => {
    assert.equal(detectLaunch({}), undefined);
    assert.equal(detectLaunch({ OMPI_COMM_WORLD_SIZE: '1' }), undefined);
    assert.equal(detectLaunch({ SLURM_NTASKS: '8', SLURM_PROCID: '0' }), undefined);
  });
});
