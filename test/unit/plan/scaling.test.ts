import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildNetwork } from '../../../src/net/network.ts';
import { estimateScaling } from '../../../src/plan/scaling.ts';

/** Bytes of D's gradients. */
const BYTES = 138_357_544 * 4;

describe('the model of several machines', () => {
  const network = buildNetwork({ configuration: 'D', classes: 1000, crop: 224, width: 1 });
  const exchange = (bandwidth: number, latency: number, machines = 4): number =>
    estimateScaling({ network, batch: 256, bandwidth, latency }, machines).communicationSeconds;

  it('one machine exchanges nothing', () => {
    assert.equal(exchange(10, 1e-3, 1), 0);
  });

  it('without latency the exchange takes as long as the bytes that each machine sends', () => {
    const expected = (1.5 * BYTES * 8) / (0.94 * 10e9);
    assert.ok(Math.abs(exchange(10, 0) / expected - 1) < 1e-9);
  });

  it('of latencies that other sums hide two remain, of the last one', () => {
    const latency = 1e-6;
    assert.ok(Math.abs((exchange(1, latency) - exchange(1, 0)) / (2 * latency) - 1) < 1e-6);
  });

  it('latencies that nothing hides come with every four of the 33 buckets', () => {
    const latency = 10;
    const rounds = 2 * Math.ceil(33 / 4);
    assert.ok(exchange(100, latency) > rounds * latency * 0.99);
  });

  it('a step is its arithmetic and the part of the exchange that the backward pass does not hide', () => {
    const request = { network, batch: 256, microBatch: 32, bandwidth: 1, latency: 0, trainingMsPerImage: 10 };
    const { communicationSeconds, hiddenSeconds, secondsPerStep } = estimateScaling(request, 4);
    assert.ok(Math.abs(hiddenSeconds! - (2 / 3) * 32 * 0.01) < 1e-9);
    assert.ok(Math.abs(secondsPerStep! - (0.64 + communicationSeconds - hiddenSeconds!)) < 1e-9);
  });
});
