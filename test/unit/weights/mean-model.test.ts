import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../../../src/core/errors.ts';
import { elementCount } from '../../../src/core/shape.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import { meanModel } from '../../../src/weights/model/mean-model.ts';
import type { Model } from '../../../src/weights/model/model.ts';

/** Every weight has the same value. */
function model(value: number, classes = 2): Model {
  const network = buildNetwork({ configuration: 'A', classes, crop: 32, width: 1 / 64 });
  const names = Array.from({ length: classes }, (_, index) => `class${index}`);
  return {
    network,
    tensors: new Map(
      network.parameters.map(({ name, shape }) => [name, new Float32Array(elementCount(shape)).fill(value)]),
    ),
    classes: names,
    labels: names,
    meanRgb: [value, 0, 0],
    provenance: {},
  };
}

describe('the mean of models', () => {
  test('has the mean of each weight, and the rest of the first', () => {
    const mean = meanModel([
      { path: 'a', model: model(1) },
      { path: 'b', model: model(2) },
      { path: 'c', model: model(6) },
    ]);
    for (const tensor of mean.tensors.values()) assert.ok(tensor.every((value) => value === 3));
    assert.equal(mean.tensors.size, 22);
    assert.deepEqual(mean.meanRgb, [1, 0, 0]);
  });

  test('is refused where the networks differ', () => {
    const models = [
      { path: 'a.safetensors', model: model(1) },
      { path: 'b.safetensors', model: model(1, 3) },
    ] as const;
    assert.throws(
      () => meanModel(models),
      (error) =>
        error instanceof UserError &&
        /^b\.safetensors has .*but a\.safetensors has .*; average models of one network only$/.test(
          error.message,
        ),
    );
  });
});
