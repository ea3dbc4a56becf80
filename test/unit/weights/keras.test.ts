import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readModelWithReport } from '../../../src/weights/model/read-model.ts';
import { answers, assertClose, fixture, logits, refused } from './fixtures.ts';

const keras = { convention: 'keras' } as const;

describe("Keras's files", () => {
  for (const version of ['keras2', 'keras3']) {
    for (const [name, answer] of Object.entries(answers(version))) {
      test(`${name} answers as Keras did`, async () => {
        const { model, report } = await readModelWithReport(fixture(name), keras);
        assertClose(await logits(model), answer);
        assert.match(report!.permuted.join(), /BGR to RGB.*fc6: inputs from rows, columns, channels/);
      });
    }
  }

  test('a network without its top is a feature extractor', async () => {
    const { model } = await readModelWithReport(fixture('keras3-notop.weights.h5'), {
      ...keras,
      allowFeatures: true,
    });
    assert.equal(model.network.configuration, 'A');
    assert.equal(model.network.classes, 0);
  });

  test('other classes than the published ones ask for the preprocessing', () =>
    refused(readModelWithReport(fixture('keras3-a.keras')), /5 classes/, /--convention/));
});
