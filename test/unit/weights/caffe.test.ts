import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readModelWithReport } from '../../../src/weights/model/read-model.ts';
import { answers, assertClose, fixture, logits, refused } from './fixtures.ts';

const caffe = { convention: 'caffe' } as const;

describe("Caffe's files", () => {
  for (const [name, answer] of Object.entries(answers('caffe'))) {
    test(`${name} answers as its network does`, async () => {
      const { model, report } = await readModelWithReport(fixture(name), caffe);
      assertClose(await logits(model), answer);
      assert.match(report!.permuted.join(), /BGR to RGB/);
      assert.equal(model.network.pooling, 'ceil');
      assert.deepEqual(model.meanRgb, [123.68, 116.779, 103.939]);
    });
  }

  test('other classes than ILSVRC’s ask for the mean, which VGG-Face has another of', () =>
    refused(readModelWithReport(fixture('caffe-d-v1.caffemodel')), /5 classes/, /--mean/));
});
