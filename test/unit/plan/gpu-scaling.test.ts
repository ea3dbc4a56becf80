import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { buildNetwork, parameterCount } from '../../../src/net/network.ts';
import { estimateGpuScaling } from '../../../src/plan/gpu-scaling.ts';

describe('the prediction for several GPUs', () => {
  const network = buildNetwork({ configuration: 'D' });
  const bytes = 4 * parameterCount(network);
  const bucket = 16 * 2 ** 20;
  const request = (speeds: readonly [number, number, number], trainingMsPerImage = 10) => {
    const [read, add, write] = speeds;
    const transfer = { read, add, write };
    return { network, batch: 256, microBatch: 256, trainingMsPerImage, transfer };
  };

  it('one GPU exchanges nothing', () => {
    const { exchangeSeconds, secondsPerStep, speedup } = estimateGpuScaling(request([1e9, 1e9, 1e9]), 1);
    assert.deepEqual([exchangeSeconds, secondsPerStep, speedup], [0, 2.56, 1]);
  });

  it('the slowest stage sets the pace; the last bucket passes through all of them after the pass', () => {
    const rest = bytes - bucket;
    for (const [speeds, slowest] of [
      [[1e9, 1e12, 1e12], rest / 1e9],
      [[1e12, 1e9, 1e12], (4 * rest) / 1e9],
      [[1e12, 1e12, 1e9], rest / 1e9],
    ] as const) {
      const [read, add, write] = speeds;
      const tail = bucket / read + (4 * bucket) / add + bucket / write;
      const estimate = estimateGpuScaling(request(speeds), 4);
      assert.ok(Math.abs(estimate.exchangeSeconds - (slowest + tail)) < 1e-9);
      const hidden = Math.min((2 / 3) * 0.64, slowest);
      assert.ok(Math.abs(estimate.hiddenSeconds - hidden) < 1e-9);
      assert.ok(Math.abs(estimate.secondsPerStep - (0.64 + slowest + tail - hidden)) < 1e-9);
    }
  });

  it('the speed-up is never above the number of GPUs', () => {
    const speed = fc.double({ min: 1e8, max: 1e12, noNaN: true });
    const check = (read: number, add: number, write: number, gpus: number) => {
      const { speedup, hiddenSeconds } = estimateGpuScaling(request([read, add, write]), gpus);
      assert.ok(speedup <= gpus + 1e-9 && hiddenSeconds >= 0);
    };
    fc.assert(fc.property(speed, speed, speed, fc.integer({ min: 1, max: 16 }), check));
  });
});
