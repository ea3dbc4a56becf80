import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chosenGpus, gpusOfRank, type ListedGpu } from '../../src/kernels/webgpu/gpu-choice.ts';

const NAMES = ['NVIDIA H200', 'NVIDIA H200', 'AMD Radeon RX 7900 XTX', 'llvmpipe (LLVM 19)'];
const GPUS: ListedGpu[] = NAMES.map((name, number) => ({ number, name }));
const numbers = (asked: string, gpus = GPUS) => chosenGpus(asked, gpus).map(({ number }) => number);

describe('--gpus', () => {
  it('takes all, a count, numbers, or part of a name', () => {
    assert.deepEqual(numbers('all'), [0, 1, 2], 'no software device beside real ones');
    assert.deepEqual(numbers('all', GPUS.slice(3)), [3], 'a software device where there is nothing else');
    assert.deepEqual(numbers('2'), [0, 1]);
    assert.deepEqual(numbers('2,0'), [2, 0]);
    assert.deepEqual(numbers(' 2 '), [0, 1], 'spaces around it do not count');
    assert.deepEqual(numbers('0, 2'), [0, 2]);
    assert.deepEqual(numbers('device=1'), [1]);
    assert.deepEqual(numbers('device=3,0'), [3, 0]);
    assert.deepEqual(numbers('h200'), [0, 1]);
    assert.deepEqual(numbers('rx 79'), [2]);
  });

  it('refuses GPUs that are not there, with the list', () => {
    for (const [asked, fault] of [
      ['4', 'this machine has 3'],
      ['0', '0 is how many, not which'],
      ['1,1', 'GPU 1 is named twice'],
      ['device=3,0,3', 'GPU 3 is named twice'],
      ['0,7', 'there is no GPU 7'],
      ['Arc', 'no GPU has such a name'],
    ] as const) {
      const message = new RegExp(`^--gpus ${asked}: ${fault}; .*0: NVIDIA H200; 1: NVIDIA H200; 2: AMD`);
      assert.throws(() => chosenGpus(asked, GPUS), { name: 'UserError', message });
    }
  });

  it('gives each GPU to one rank of a machine, and a GPU to each rank', () => {
    const counts = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(counts, counts, (count, size) => {
        const gpus = Array.from({ length: count }, (_, number) => ({ number, name: 'GPU' }));
        const shares = Array.from({ length: size }, (_, rank) => gpusOfRank(gpus, { rank, size }));
        assert.ok(shares.every((share) => share.length > 0));
        assert.deepEqual(
          [...new Set(shares.flat())].sort((a, b) => a.number - b.number),
          gpus,
        );
        if (count >= size) assert.equal(shares.flat().length, count);
      }),
    );
  });
});
