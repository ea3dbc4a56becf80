import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { syntheticOutput } from '../../../src/api/convert-weights.ts';
import { writeFileAtomically } from '../../../src/core/atomic-file.ts';
import { projectFolder } from '../../../src/core/project.ts';
import { elementCount } from '../../../src/core/shape.ts';
import { fillParameters } from '../../../src/kernels/canonical-parameters.ts';
import { createBackend } from '../../../src/kernels/registry.ts';
import { buildNetwork, type NetworkOptions } from '../../../src/net/network.ts';
import { safetensorsPieces, type TensorToWrite } from '../../../src/weights/formats/safetensors/writer.ts';
import { numberedClasses } from '../../../src/weights/labels/class-names.ts';
import type { Model } from '../../../src/weights/model/model.ts';

/** A small model. Each tensor has one value, by default 1. */
export function smallModel(options: Partial<NetworkOptions> = {}, fillWith = (_index: number) => 1): Model {
  const network = buildNetwork({ configuration: 'A', classes: 3, crop: 32, width: 1 / 64, ...options });
  const tensors = new Map(
    network.parameters.map(({ name, shape }, index) => [
      name,
      new Float32Array(elementCount(shape)).fill(fillWith(index)),
    ]),
  );
  return { network, tensors, ...numberedClasses(network.classes), meanRgb: [0, 0, 0], provenance: {} };
}

/** Files that the frameworks themselves wrote (tools/weights_*.py). */
export const fixture = (name: string): string => join(projectFolder, 'test/fixtures/weights', name);

/** The source framework's logits for the synthetic image, by file. */
export function answers(framework: string): Record<string, number[]> {
  return JSON.parse(readFileSync(fixture(`answers-${framework}.json`), 'utf8'));
}

/**
 * Sums of a few thousand float32 products in another order, through sixteen layers, differ by less than 1e-5
 * of the largest logit here; a swapped channel, a wrong mean or a wrong permutation by more than 1e-1.
 */
export const TOLERANCE = 1e-4;

/** @param side of the synthetic image (default: that of the parity check) */
export async function logits(model: Model, side?: number): Promise<Float32Array> {
  const backend = createBackend('reference');
  const parameters = backend.createParameters(model.network.parameters, { training: false });
  await fillParameters(parameters, model.tensors);
  return syntheticOutput(backend, parameters, model, side);
}

export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance = TOLERANCE,
): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    assert.ok(difference <= tolerance, `value ${i} is ${actual[i]}, expected ${expected[i]}`);
  }
}

/** Writes tensors with any names. */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomically(path, safetensorsPieces(path, tensors, metadata).pieces);
}
