/**
 * Whole evaluations against PyTorch in double precision (tools/golden_dense.py): from PNG files and model files
 * to posteriors, by every protocol, pooling by floor and by ceil.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { Classifier } from '../../src/api/classifier.ts';
import { evaluateModel } from '../../src/api/evaluate-model.ts';
import { projectFolder } from '../../src/core/project.ts';
import type { Protocol } from '../../src/evaluate/protocol/protocol.ts';
import type { ConfigurationName } from '../../src/net/configurations.ts';
import { writeModel } from '../../src/weights/model/write-model.ts';
import { backendsForLargeWork } from '../support/backends.ts';
import { type GoldenCase, goldenNetwork, goldenValues } from '../support/golden.ts';
import { range } from '../support/lists.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

interface Facts {
  readonly q: number;
  readonly widthMultiplier: number;
  readonly classes: number;
  readonly meanRgb: [number, number, number];
  readonly inputScale: number;
  readonly models: readonly { name: string; configuration: ConfigurationName; crop: number; seed: number }[];
}

interface Case {
  readonly model: string;
  readonly pooling: 'floor' | 'ceil';
  readonly protocol: Protocol;
  readonly posteriors: Readonly<Record<string, readonly number[]>>;
}

/**
 * Differences come from float32 arithmetic: a logit of size 10 is off by 1e-5 at
 * most (see `networkTolerance` in ../support/backends.ts), and so is a posterior, whose slope is below 1.
 */
const TOLERANCE = 2e-5;

const images = join(projectFolder, 'test', 'fixtures', 'dense');
const lines = readFileSync(join(images, 'posteriors.jsonl'), 'utf8').trim().split('\n');
const [facts, ...cases] = lines.map((line) => JSON.parse(line)) as [Facts, ...Case[]];
const classes = range(facts.classes).map((i) => `class ${i}`);

/** Writes a model like that of tools/golden_dense.py, with its classes in the given order. */
async function writeGoldenModel(
  path: string,
  { configuration, crop, seed }: Facts['models'][number],
  pooling: 'floor' | 'ceil',
  order: readonly number[] = [...classes.keys()],
): Promise<string> {
  const golden = { ...facts, configuration, crop, seed } as unknown as GoldenCase;
  const network = goldenNetwork(golden, pooling);
  const tensors = new Map(goldenValues(golden, network));
  const first = tensors.get('conv1_1.weight')!.map((weight) => weight * facts.inputScale);
  tensors.set('conv1_1.weight', first);
  for (const name of ['fc8.weight', 'fc8.bias']) {
    const values = tensors.get(name)!;
    const row = values.length / classes.length;
    const from = (i: number) => values[order[Math.floor(i / row)]! * row + (i % row)]!;
    tensors.set(name, Float32Array.from(range(values.length), from));
  }
  const names = order.map((i) => classes[i]!);
  const { meanRgb } = facts;
  await writeModel(path, { network, classes: names, labels: names, meanRgb, provenance: {}, tensors });
  return path;
}

function largestDifference(actual: ArrayLike<number>, expected: readonly number[]): number {
  assert.equal(actual.length, expected.length);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(actual[i]! - value)), 0);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

it('the fixtures cover every protocol, both roundings and images in both directions', () => {
  assert.equal(cases.length, facts.models.length * 2 * 4);
  for (const { posteriors } of cases) assert.equal(Object.keys(posteriors).length, 6);
});

/** The reference takes minutes for grids of crops, whose code is the same for every backend. */
function isQuickFor(backend: string, protocol: Protocol): boolean {
  return backend !== 'reference' || protocol === 'center' || protocol === 'dense';
}

for (const { name: backend, skip } of backendsForLargeWork) {
  const quick = cases.filter(({ protocol }) => isQuickFor(backend, protocol));
  describe(`${backend}: posteriors of images at scale Q equal PyTorch's`, { skip }, () => {
    const folder = new TemporaryFolder();
    const modelFile = (name: string, pooling: string): string =>
      folder.path(`${name}-${pooling}.safetensors`);
    before(async () => {
      for (const model of facts.models) {
        for (const pooling of ['floor', 'ceil'] as const) {
          await writeGoldenModel(modelFile(model.name, pooling), model, pooling);
        }
      }
    });

    for (const { model, pooling, protocol, posteriors } of quick) {
      it(`${model}, ${pooling}, ${protocol}`, async (t) => {
        let worst = 0;
        const seen = new Set<string>();
        await evaluateModel({
          data: images,
          predictions: folder.path('predictions.jsonl'),
          model: modelFile(model, pooling),
          protocol,
          scales: [facts.q],
          backend,
          onImage: ({ name, posteriors: ours }) => {
            seen.add(nameOf(name));
            worst = Math.max(worst, largestDifference(ours, posteriors[nameOf(name)]!));
          },
        });
        assert.deepEqual([...seen].sort(), Object.keys(posteriors).sort());
        t.diagnostic(`largest difference ${worst.toExponential(1)}, allowed ${TOLERANCE}`);
        assert.ok(worst < TOLERANCE, `off by ${worst}`);
      });
    }

    it('one by one, by the classifier', async () => {
      for (const { model, pooling, protocol, posteriors } of quick.filter((one) => one.model === 'A')) {
        const classifier = await Classifier.open(modelFile(model, pooling), { backend });
        for (const [name, expected] of Object.entries(posteriors).slice(0, 2)) {
          const ours = await classifier.predict(join(images, name), { protocol, scales: [facts.q] });
          assert.ok(largestDifference(ours.posteriors, expected) < TOLERANCE);
        }
        classifier.close();
      }
    });

    it('of two networks averaged, whose classes come in different orders', async () => {
      const other = folder.path('other-order.safetensors');
      await writeGoldenModel(other, facts.models[1]!, 'ceil', [3, 1, 6, 0, 2, 5, 4]);
      const classifier = await Classifier.open([modelFile('A', 'floor'), other], { backend });
      const [a, b] = [find('A', 'floor'), find('C', 'ceil')];
      for (const name of Object.keys(a)) {
        const options = { protocol: 'dense', scales: [facts.q] } as const;
        const { posteriors } = await classifier.predict(join(images, name), options);
        const expected = a[name]!.map((value, i) => (value + b[name]![i]!) / 2);
        assert.ok(largestDifference(posteriors, expected) < TOLERANCE);
      }
      classifier.close();
    });
  });
}

function find(model: string, pooling: string): Case['posteriors'] {
  return cases.find((one) => one.model === model && one.pooling === pooling && one.protocol === 'dense')!
    .posteriors;
}
