import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Communicator, single } from '../../../src/comm/communicator.ts';
import type { Parameters } from '../../../src/kernels/backend.ts';
import { GradientExchange } from '../../../src/train/gradient-exchange.ts';

const SIZES = [100_000, 50_000, 200_000];
const VALUES = SIZES.reduce((sum, size) => sum + size);

/** Doubles the values, as if another rank had the same. */
const doubling: Communicator = {
  ...single,
  size: 2,
  allReduceSum: async (data) => {
    data.set(data.map((value) => 2 * value));
  },
};

function exchange(): { exchange: GradientExchange; block: Float32Array } {
  const block = new Float32Array(VALUES).fill(1);
  const specs = SIZES.map((size, i) => ({ name: `layer${i}.weight`, shape: [size] }));
  const parameters = { specs, trained: specs, gradientBlock: () => block } as unknown as Parameters;
  return { exchange: new GradientExchange(parameters, doubling, 'float32'), block };
}

describe('an exchange of gradients', () => {
  it('sums every value once, the last ones first, and sends final gradients before the pass ends', async () => {
    const { exchange: gradients, block } = exchange();
    gradients.ready(2);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { buckets, total, exposed } = await gradients.finish();
    assert.ok(block.every((value) => value === 2));
    let end = VALUES;
    for (const bucket of buckets) {
      assert.equal(bucket.end, end, 'no gap');
      assert.equal(bucket.sentAt < 0, bucket.begin >= 150_000, 'layer 2 is sent first');
      end = bucket.begin;
    }
    assert.equal(end, 0);
    assert.ok(total > exposed && exposed >= 0);
  });
});
