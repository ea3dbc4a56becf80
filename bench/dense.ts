/**
 * The overhead of dense evaluation over the network itself:
 *
 *     node dist/bench/dense.js FOLDER [--config D] [--width 1] [--scale 256] [--images 64] [--threads 2] [--repeat 3]
 *
 * Evaluates images of a folder at one scale, with mirror images and including decoding, with random weights. Then runs
 * the same batches (same shapes, same order) through `program.forward` with pixels in memory. The two alternate, and the
 * minimum of each counts: wall-clock time, and CPU time, which other load on the machine affects less. The ratio should
 * be at most 1.2.
 */
import { parseArgs } from 'node:util';
import { formatShape, type Shape4 } from '../src/core/shape.ts';
import type { ImageSource } from '../src/data/sources/image-source.ts';
import { openImages } from '../src/data/sources/open-images.ts';
import { selectImages } from '../src/data/sources/select-images.ts';
import { evaluateImages } from '../src/evaluate/evaluate-images.ts';
import { Ensemble } from '../src/evaluate/inference/ensemble.ts';
import { ImageClassifier } from '../src/evaluate/inference/image-classifier.ts';
import type { Backend, Parameters, Program } from '../src/kernels/backend.ts';
import { fillParameters } from '../src/kernels/canonical-parameters.ts';
import { createBackend } from '../src/kernels/registry.ts';
import type { ConfigurationName } from '../src/net/configurations.ts';
import { initialize } from '../src/net/initialization.ts';
import { buildNetwork, type Network } from '../src/net/network.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    config: { type: 'string', default: 'D' },
    width: { type: 'string', default: '1' },
    scale: { type: 'string', default: '256' },
    images: { type: 'string', default: '64' },
    threads: { type: 'string' },
    repeat: { type: 'string', default: '3' },
  },
});

/** A backend that records the shape of every forward pass. */
function recording(backend: Backend, shapes: Shape4[]): Backend {
  return {
    ...backend,
    name: backend.name,
    createParameters: (specs, options) => backend.createParameters(specs, options),
    compileTraining: (options) => backend.compileTraining(options),
    compile: async (options): Promise<Program> => {
      const program = await backend.compile(options);
      const { inputShape, outputShape, memoryBytes } = program;
      return {
        inputShape,
        outputShape,
        memoryBytes,
        forward: (input) => {
          shapes.push(inputShape);
          return program.forward(input);
        },
        dispose: () => program.dispose(),
      };
    },
  };
}

interface Setting {
  readonly backend: Backend;
  readonly network: Network;
  readonly parameters: Parameters;
}

interface Cost {
  readonly seconds: number;
  /** CPU time of all threads. */
  readonly processorSeconds: number;
}

async function costOf(work: () => Promise<void>): Promise<Cost> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - started) / 1000, processorSeconds: (user + system) / 1e6 };
}

async function evaluate({ backend, network, parameters }: Setting, source: ImageSource): Promise<Cost> {
  const meanRgb = [123.68, 116.779, 103.939] as const;
  const classifier = new ImageClassifier({ backend, network, parameters, meanRgb });
  const ensemble = new Ensemble([{ classifier, scales: [Number(flags.scale)] }], { protocol: 'dense' });
  const cost = await costOf(() => evaluateImages({ source, ensemble, onImage: () => {} }));
  ensemble.close();
  return cost;
}

/** The forward passes alone, with compiled programs. */
async function forwardAlone(
  { backend, network, parameters }: Setting,
  shapes: readonly Shape4[],
): Promise<Cost> {
  const programs = new Map<string, { program: Program; input: Float32Array }>();
  for (const inputShape of shapes) {
    if (programs.has(formatShape(inputShape))) continue;
    const program = await backend.compile({ layers: network.layers, inputShape, parameters });
    const [batch, channels, height, width] = inputShape;
    const input = Float32Array.from({ length: batch * channels * height * width }, (_, i) => (i % 255) - 120);
    programs.set(formatShape(inputShape), { program, input });
  }
  const cost = await costOf(async () => {
    for (const shape of shapes) {
      const { program, input } = programs.get(formatShape(shape))!;
      await program.forward(input);
    }
  });
  for (const { program } of programs.values()) program.dispose();
  return cost;
}

const [folder] = positionals;
if (folder === undefined) throw new Error('name a folder of images');
const all = await openImages(folder, { split: 'val', labels: 'optional' });
const count = Math.min(Number(flags.images), all.length);
// Evenly spread, since the first images of a folder may all have the same size.
const source = selectImages(
  all,
  Uint32Array.from({ length: count }, (_, i) => Math.floor((i * all.length) / count)),
);
const network = buildNetwork({
  configuration: flags.config as ConfigurationName,
  width: Number(flags.width),
});
const backend = createBackend('native', flags.threads ? { threads: Number(flags.threads) } : {});
const parameters = backend.createParameters(network.parameters, { training: false });
await fillParameters(parameters, initialize(network, { method: 'he', seed: 1 }));
console.log(
  `${flags.config}, width ${flags.width}, ${count} images at Q = ${flags.scale}: ${backend.description}`,
);

let shapes: Shape4[] = [];
const costs: { dense: Cost; baseline: Cost }[] = [];
for (let i = 0; i < Number(flags.repeat); i++) {
  shapes = [];
  const setting = { backend, network, parameters };
  const dense = await evaluate({ ...setting, backend: recording(backend, shapes) }, source);
  costs.push({ dense, baseline: await forwardAlone(setting, shapes) });
}
const inputs = shapes.reduce((sum, [batch]) => sum + batch, 0);
console.log(
  `${new Set(shapes.map((shape) => shape.slice(1).join())).size} sizes, ${shapes.length} batches, ${(inputs / shapes.length).toFixed(1)} inputs per batch`,
);
for (const [measure, name] of [
  ['seconds', 'time'],
  ['processorSeconds', 'CPU time'],
] as const) {
  const dense = Math.min(...costs.map((cost) => cost.dense[measure]));
  const baseline = Math.min(...costs.map((cost) => cost.baseline[measure]));
  const perImage = (seconds: number): string => ((seconds / count) * 1000).toFixed(1);
  console.log(
    `${name}: dense ${perImage(dense)} ms/image, baseline ${perImage(baseline)}: ratio ${(dense / baseline).toFixed(3)}`,
  );
}
parameters.dispose();
