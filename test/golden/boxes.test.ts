/** Losses, gradients and merged boxes against PyTorch (tools/golden_boxes.py). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Box } from '../../src/core/boxes.ts';
import type { Layer } from '../../src/core/layer.ts';
import { projectFolder } from '../../src/core/project.ts';
import { mergeBoxes } from '../../src/evaluate/localize/merge-boxes.ts';
import { describeBackends } from '../support/backends.ts';
import { convolution, inTraining } from '../support/chains.ts';
import { assertClose } from '../support/tensors.ts';

interface Fixture {
  readonly losses: readonly {
    readonly outputs: number;
    readonly input: number[];
    readonly labels: number[];
    readonly targets: number[];
    readonly tensors: Readonly<Record<string, { readonly value: number[]; readonly gradient: number[] }>>;
    readonly losses: number[];
  }[];
  readonly merging: readonly {
    readonly boxes: [number, number, number, number][];
    readonly scores: number[];
    readonly merged: { readonly score: number; readonly box: number[]; readonly members: number }[];
  }[];
}

const fixture: Fixture = JSON.parse(
  readFileSync(join(projectFolder, 'test/fixtures/boxes/pytorch.json'), 'utf8'),
);

describeBackends('boxes as in PyTorch', (backend, { layerTolerance }) => {
  for (const { outputs, input, labels, targets, tensors, losses } of fixture.losses) {
    it(`Euclidean loss and gradients with ${outputs} outputs`, async () => {
      const layers: Layer[] = [
        convolution(6, 7, { kernel: 1, name: 'fc7' }),
        { kind: 'relu', name: 'relu7' },
        convolution(7, outputs, { kernel: 1, name: 'fc8' }),
      ];
      const values = new Map(
        Object.entries(tensors).map(([name, { value }]) => [name, Float32Array.from(value)]),
      );
      const testCase = { layers, inputShape: [labels.length, 6, 1, 1] as const, values };
      await inTraining(backend, testCase, async (program, parameters) => {
        const batch = {
          input: Float32Array.from(input),
          labels: Int32Array.from(labels),
          targets: Float32Array.from(targets),
        };
        const outcome = await program.accumulate(batch, 1 / labels.length);
        assertClose('losses', outcome.losses, losses, layerTolerance);
        for (const [name, { gradient }] of Object.entries(tensors)) {
          assertClose(name, await parameters.read('gradients', name), gradient, layerTolerance);
        }
      });
    });
  }
});

describe('merged boxes', () => {
  for (const { boxes, scores, merged } of fixture.merging) {
    it(`${boxes.length} boxes become the same ${merged.length} as in PyTorch`, () => {
      const given = boxes.map(([left, top, right, bottom], i) => ({
        box: { left, top, right, bottom },
        score: scores[i]!,
      }));
      const found = mergeBoxes(given);
      assert.deepEqual(
        found.map(({ members = 1 }) => members),
        merged.map(({ members }) => members),
      );
      for (const [i, { box, score }] of found.entries()) {
        assert.ok(Math.abs(score - merged[i]!.score) < 1e-9);
        for (const [k, edge] of (['left', 'top', 'right', 'bottom'] satisfies (keyof Box)[]).entries()) {
          assert.ok(Math.abs(box[edge] - merged[i]!.box[k]!) < 1e-9);
        }
      }
    });
  }
});
