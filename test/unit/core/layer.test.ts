import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Layer, outputShape, parameterSpecs, shapesAlong } from '../../../src/core/layer.ts';
import { elementCount, formatShape, sameShape } from '../../../src/core/shape.ts';

const convolution: Layer = {
  kind: 'convolution',
  name: 'conv1_1',
  kernel: 3,
  padding: 1,
  inChannels: 3,
  outChannels: 8,
};
const floor: Layer = { kind: 'maxPool', name: 'pool1', rounding: 'floor' };
const ceil: Layer = { kind: 'maxPool', name: 'pool1', rounding: 'ceil' };

describe('shapes', () => {
  it('count, print and compare', () => {
    assert.equal(elementCount([64, 3, 3, 3]), 1728);
    assert.equal(elementCount([]), 1);
    assert.equal(formatShape([64, 3, 3, 3]), '64×3×3×3');
    assert.equal(formatShape([]), 'scalar');
    assert.ok(sameShape([1, 2], [1, 2]));
    assert.ok(!sameShape([1, 2], [2, 1]));
    assert.ok(!sameShape([1, 2], [1, 2, 1]));
  });
});

describe('layers', () => {
  it('compute output shapes', () => {
    assert.deepEqual(outputShape(convolution, [2, 3, 7, 5]), [2, 8, 7, 5]);
    assert.deepEqual(outputShape({ ...convolution, padding: 0 }, [2, 3, 7, 5]), [2, 8, 5, 3]);
    assert.deepEqual(outputShape({ ...convolution, kernel: 5, padding: 2 }, [2, 3, 1, 1]), [2, 8, 1, 1]);
    assert.deepEqual(outputShape(floor, [1, 4, 7, 6]), [1, 4, 3, 3]);
    assert.deepEqual(outputShape(ceil, [1, 4, 7, 6]), [1, 4, 4, 3]);
    assert.deepEqual(outputShape({ kind: 'relu', name: 'relu' }, [1, 4, 7, 6]), [1, 4, 7, 6]);
  });

  it('refuse shapes that do not fit', () => {
    for (const [layer, shape, message] of [
      [convolution, [1, 4, 7, 7], /conv1_1 takes 3 channels, but its input has 4/],
      [{ ...convolution, padding: 0 }, [1, 3, 2, 7], /2×7 is too small for conv1_1/],
      [floor, [1, 3, 1, 4], /1×4 is too small for pool1/],
    ] as const) {
      assert.throws(() => outputShape(layer, shape), message);
    }
    assert.deepEqual(outputShape(ceil, [1, 3, 1, 1]), [1, 3, 1, 1]);
  });

  it('list the parameters of convolutions', () => {
    assert.deepEqual(parameterSpecs([convolution, floor]), [
      { name: 'conv1_1.weight', shape: [8, 3, 3, 3], role: 'weight' },
      { name: 'conv1_1.bias', shape: [8], role: 'bias' },
    ]);
  });

  it('chain', () => {
    assert.deepEqual(shapesAlong([convolution, floor], [1, 3, 5, 4]), [
      [1, 3, 5, 4],
      [1, 8, 5, 4],
      [1, 8, 2, 2],
    ]);
  });
});
