/**
 * Comparison of trainings whose sums were made in another order. Two orders of a float32 sum differ by rounding;
 * in the weights of a few iterations that is some 1e-7 of the largest. A looser bound could not be kept for a
 * longer training of any kind: where two values that a ReLU or a pooling compares are equal to rounding, the
 * difference decides, and the same happens to one process with another micro-batch (docs/explanation/measurements.md). On the
 * reference, whose sums are in double precision, no machine decides otherwise, so that there is nothing to chance
 * here.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { QUICK } from '../e2e/training-runs.ts';

/** 24 images, of which neither 2 nor 3 nor 4 ranks take equal parts of a batch of 13. */
export const TRAINING: readonly string[] = [...QUICK, '--batch', '13', '--lr-drop-at', '5'];
export const EXACT: readonly string[] = [
  ...TRAINING,
  '--backend',
  'reference',
  '--iterations',
  '8',
  '--average-from',
  '2',
];
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
