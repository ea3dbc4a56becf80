/** Fixtures that tools/golden.py wrote from PyTorch, and what belongs to them by seed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../../src/core/project.ts';
import { deriveKeys, keyOfSeed, RandomStream } from '../../src/core/random.ts';
import { elementCount, type Shape4 } from '../../src/core/shape.ts';
import type { ConfigurationName } from '../../src/net/configurations.ts';
import { initialize } from '../../src/net/initialization.ts';
import { buildNetwork, type Network } from '../../src/net/network.ts';

export interface GoldenCase {
  readonly file: string;
  readonly kind: 'pass' | 'dense' | 'training';
  readonly configuration: ConfigurationName;
  readonly crop: number;
  readonly batch: number;
  readonly classes: number;
  readonly widthMultiplier: number;
  readonly dropout?: number;
  readonly seed: number;
  /** Of `dense`: the image's size. */
  readonly height?: number;
  readonly width?: number;
  /** Of `training`: the learning rate of each step, and the rest of SGD. */
  readonly rates?: readonly number[];
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly biasDecay?: number;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

const folder = join(projectFolder, 'test', 'fixtures', 'golden');

export function goldenCases(kind: GoldenCase['kind']): GoldenCase[] {
  return readdirSync(folder)
    .filter((file) => file.startsWith(`${kind}-`))
    .map(readCase);
}

function readCase(file: string): GoldenCase {
  const bytes = readFileSync(join(folder, file));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...entries } = JSON.parse(bytes.toString('utf8', 8, start));
  const tensors = new Map<string, Float32Array>();
  for (const [name, entry] of Object.entries(entries)) {
    const [from, to] = (entry as { data_offsets: [number, number] }).data_offsets;
    // A copy, as a view must be aligned.
    tensors.set(name, new Float32Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer));
  }
  return { file, ...JSON.parse(__metadata__.case), tensors };
}

export function goldenNetwork(golden: GoldenCase, pooling: 'floor' | 'ceil' = 'floor'): Network {
  const { configuration, crop, classes, widthMultiplier, dropout = 0 } = golden;
  return buildNetwork({ configuration, crop, classes, width: widthMultiplier, dropout, pooling });
}

/** Weights of `initialize` with `he`, biases 0.1 times normal draws. */
export function goldenValues(golden: GoldenCase, network: Network): Map<string, Float32Array> {
  const { seed } = golden;
  const values = new Map(initialize(network, { method: 'he-unscaled', seed }));
  for (const { name, shape, role } of network.parameters) {
    if (role === 'bias') values.set(name, normals(seed, [name], elementCount(shape), 0.1));
  }
  return values;
}

export function goldenImages({ seed }: GoldenCase, shape: Shape4, step = 0): Float32Array {
  return normals(seed, ['images', step], elementCount(shape), 1);
}

export function goldenLabels({ batch, classes }: GoldenCase, step = 0): Int32Array {
  return Int32Array.from({ length: batch }, (_, n) => (3 * n + 1 + step) % classes);
}

export function goldenDropoutKeys({ seed, batch, dropout }: GoldenCase, step = 0): Uint32Array | undefined {
  if (!dropout) return undefined;
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'golden', 'dropout', step));
  return Uint32Array.from({ length: 2 * batch }, () => random.word());
}

function normals(
  seed: number,
  purposes: readonly (string | number)[],
  count: number,
  deviation: number,
): Float32Array {
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'golden', ...purposes));
  return Float32Array.from({ length: count }, () => deviation * random.normal());
}
