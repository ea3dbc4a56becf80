/**
 * Compares trainings whose sums were computed in different orders. Two orders of a float32 sum differ by rounding: after
 * a few iterations by about 1e-7 of the largest weight. No bound holds for longer training: where two values that a ReLU
 * or max pooling compares are equal up to rounding, the rounding decides, as it does for one process with a different
 * micro-batch (docs/explanation/measurements.md). The reference backend sums in double precision, so that these tests do
 * not depend on the machine.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { words } from '../e2e/cli-process.ts';
import { QUICK } from '../e2e/training-runs.ts';

/** A batch of 13 images, which 2, 3 or 4 ranks cannot share equally. */
export const TRAINING = words`${QUICK} --batch 13 --lr-drop-at 5`;
export const EXACT = words`${TRAINING} --backend reference --iterations 8 --average-from 2`;
export const WEIGHT_BOUND = 2e-6;
export const LOSS_BOUND = 1e-6;

interface Line {
  readonly kind: string;
  readonly iteration: number;
  readonly images?: number;
  readonly loss: number;
  readonly top1Error: number;
}

export async function metricsOf(run: string): Promise<Line[]> {
  const lines = (await readFile(`${run}/metrics.jsonl`, 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Line);
}

/** The largest difference of a tensor over its largest value, over all weights and velocities. */
export async function difference(one: string, other: string): Promise<number> {
  const [a, b] = await Promise.all(
    [one, other].map((run) => readSafetensors(`${run}/last.safetensors`).then(({ tensors }) => tensors)),
  );
  assert.deepEqual([...a!.keys()].sort(), [...b!.keys()].sort());
  let worst = 0;
  for (const [name, { data }] of a!) {
    const others = b!.get(name)!.data;
    const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    data.forEach((value, i) => {
      worst = Math.max(worst, Math.abs(value - others[i]!) / largest);
    });
  }
  return worst;
}

export async function assertSameTraining(one: string, other: string): Promise<void> {
  assert.ok((await difference(one, other)) < WEIGHT_BOUND, `weights of ${other}`);
  const [a, b] = [await metricsOf(one), await metricsOf(other)];
  assert.deepEqual(
    b.map(({ kind, iteration, images, top1Error }) => ({ kind, iteration, images, top1Error })),
    a.map(({ kind, iteration, images, top1Error }) => ({ kind, iteration, images, top1Error })),
  );
  a.forEach(({ loss }, i) => {
    assert.ok(Math.abs(loss - b[i]!.loss) < LOSS_BOUND * loss, `loss ${b[i]!.loss} for ${loss}, line ${i}`);
  });
}
