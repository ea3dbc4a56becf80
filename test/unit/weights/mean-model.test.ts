import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { meanModel } from '../../../src/weights/model/mean-model.ts';
import { userError } from '../../support/refused.ts';
import { smallModel } from './fixtures.ts';

const named = (path: string, value: number, classes = 2) => ({
  path,
  model: { ...smallModel({ classes }, () => value), meanRgb: [value, 0, 0] as const },
});

describe('the mean of models', () => {
  test('has the mean of each weight, and the other facts of the first model', () => {
    const mean = meanModel([named('a', 1), named('b', 2), named('c', 6)]);
    for (const tensor of mean.tensors.values()) assert.ok(tensor.every((value) => value === 3));
    assert.equal(mean.tensors.size, 22);
    assert.deepEqual(mean.meanRgb, [1, 0, 0]);
  });

  test('is refused if the networks differ', () => {
    const models = [named('a.safetensors', 1), named('b.safetensors', 1, 3)] as const;
    const message = /^b\.safetensors has .*but a\.safetensors has .*; average models of one network only$/;
    assert.throws(() => meanModel(models), userError(message));
  });
});
