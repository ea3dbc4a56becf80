import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Communicator, single } from '../../../src/comm/communicator.ts';
import type { GradientTransfer, Parameters } from '../../../src/kernels/backend.ts';
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

function exchange(gradientTransfer?: GradientTransfer): { exchange: GradientExchange; block: Float32Array } {
  const block = new Float32Array(VALUES).fill(1);
  const specs = SIZES.map((size, i) => ({ name: `layer${i}.weight`, shape: [size] }));
  const parameters = {
    specs,
    trained: specs,
    gradientTransfer,
    gradientBlock: () => block,
  } as unknown as Parameters;
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

  it('with devices that run behind counts as sent what they have computed, not what was submitted to them', async () => {
    const computedAt: number[] = [];
    const { exchange: gradients } = exchange({
      devices: 2,
      fetch: async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        computedAt.push(performance.now());
        return computedAt.at(-1)!;
      },
      store: async () => {},
    });
    gradients.ready(2);
    const { buckets, total, exposed } = await gradients.finish();
    const first = buckets[0]!.sentAt;
    assert.ok(first > 0, 'after the pass, though submitted before its end');
    assert.deepEqual(
      buckets.map(({ sentAt }) => (1000 * (sentAt - first)).toFixed(6)),
      computedAt.map((moment) => (moment - computedAt[0]!).toFixed(6)),
    );
    assert.ok(total < exposed);
  });

  it('with devices takes the pass to end with their last gradients, not with the results that are read back', async () => {
    const { exchange: gradients } = exchange({
      devices: 2,
      fetch: async () => performance.now(),
      store: async () => {},
    });
    gradients.ready(0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const { buckets, exposed } = await gradients.finish();
    const { sentAt, arrivedAt } = buckets.at(-1)!;
    assert.equal(sentAt, 0);
    assert.equal(exposed, arrivedAt);
  });
});
