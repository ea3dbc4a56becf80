import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readModelWithReport } from '../../../src/weights/model/read-model.ts';
import { answers, assertClose, fixture, logits, refused } from './fixtures.ts';

const expected = answers('torch');
const torchvision = { convention: 'torchvision' } as const;

describe("PyTorch's files", () => {
  for (const [name, answer] of Object.entries(expected)) {
    test(`${name} answers as PyTorch did`, async () => {
      const { model } = await readModelWithReport(fixture(name), torchvision);
      assertClose(await logits(model), answer);
    });
  }

  test('configuration, width, crop and classes follow from the shapes', async () => {
    const { model } = await readModelWithReport(fixture('torch-d.pth'), torchvision);
    const { configuration, width, crop, classes } = model.network;
    assert.deepEqual(
      { configuration, width, crop, classes },
      { configuration: 'D', width: 1 / 64, crop: 64, classes: 5 },
    );
    assert.deepEqual(model.meanRgb, [123.675, 116.28, 103.53]);
  });

  test('batch normalisation is folded, and that is said', async () => {
    const { model, report } = await readModelWithReport(fixture('torch-a-bn.pth'), torchvision);
    assert.match(report!.folded.join(), /batch normalisation into 8 convolutions/);
    assert.match(report!.remarks.join(), /another architecture than the paper's/);
    assert.match(model.provenance.folded!, /batch normalisation/);
  });

  test('convolutions alone are a feature extractor, and no classifier', async () => {
    await refused(readModelWithReport(fixture('torch-e-features.pth'), torchvision), /convolutions only/);
    const { model } = await readModelWithReport(fixture('torch-e-features.pth'), {
      ...torchvision,
      allowFeatures: true,
    });
    assert.equal(model.network.layers.at(-1)!.name, 'pool5');
    assert.equal(model.network.configuration, 'E');
  });

  test('a network of other classes than the published ones asks for its preprocessing', () =>
    refused(readModelWithReport(fixture('torch-d.pth')), /--convention/, /5 classes/));
});
