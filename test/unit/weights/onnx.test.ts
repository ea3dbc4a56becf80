import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readModelWithReport } from '../../../src/weights/model/read-model.ts';
import { answers, assertClose, fixture, logits, refused } from './fixtures.ts';

const torchvision = { convention: 'torchvision' } as const;

describe('ONNX files', () => {
  for (const [name, answer] of Object.entries(answers('onnx'))) {
    test(`${name} answers as onnxruntime did`, async () => {
      const { model } = await readModelWithReport(fixture(name), torchvision);
      assertClose(await logits(model), answer);
    });
  }

  test('batch normalisation is folded, with the epsilon that the file states', async () => {
    const { report } = await readModelWithReport(fixture('torch-b-bn.onnx'), torchvision);
    assert.match(report!.folded.join(), /batch normalisation into 10 convolutions/);
  });

  test('asks for the preprocessing, which ONNX does not say', () =>
    refused(readModelWithReport(fixture('torch-d.onnx')), /does not say what its network takes/, /--mean/));
});
