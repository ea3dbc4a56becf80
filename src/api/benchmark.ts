/** How fast a network runs on this machine, as a whole and layer by layer. */
import { performance } from 'node:perf_hooks';
import { deriveKeys, keyOfSeed, RandomStream } from '../core/random.ts';
import { elementCount } from '../core/shape.ts';
import type { Parameters } from '../kernels/backend.ts';
import {
  createNativeBackend,
  type KernelChoice,
  type NativeBackend,
  type Precision,
} from '../kernels/native/native-backend.ts';
import type { NativeProgram, NativeTrainingProgram } from '../kernels/native/native-program.ts';
import type { StageTime } from '../kernels/native/stage-time.ts';
import { layerCosts } from '../net/cost.ts';
import { cropShape, type Network } from '../net/network.ts';
import type { Benchmark, BenchmarkMode, BenchmarkRow } from '../report/benchmark.ts';

export interface BenchmarkOptions {
  readonly network: Network;
  readonly batch: number;
  readonly mode: BenchmarkMode;
  readonly threads?: number;
  readonly kernels: KernelChoice;
  readonly precision: Precision;
  /** Each program runs for about so long, and three times at least. */
  readonly seconds: number;
}

const SGD = { learningRate: 1e-6, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 };
const FEWEST_RUNS = 3;

/** One run: milliseconds, and what they went into. */
interface Run {
  readonly total: number;
  readonly update: number;
  /** Seconds. */
  readonly stages: readonly StageTime[];
}

/**
 * Times inference, or whole steps of training: forward, loss, backward, update.
 * @throws UserError where the backend is missing or the memory too little.
 */
export async function benchmark(options: BenchmarkOptions): Promise<Benchmark> {
  const { network, batch, mode, kernels, precision } = options;
  const backend = createNativeBackend(options);
  const parameters = backend.createParameters(network.parameters, { training: mode === 'train' });
  try {
    await fillWithNoise(parameters);
    const compile = mode === 'train' ? prepareTraining : prepareInference;
    const { program, run } = await compile(backend, parameters, options);
    const runs = await repeated(run, options.seconds);
    const programBytes = program.memoryBytes;
    program.dispose();
    const peakGflops = (await backend.peakFlops()) / 1e9;
    const layers = rowsOf(leastOf(runs), network, batch, peakGflops);
    const operations = layers.reduce((sum, { gflops, msPerImage }) => sum + gflops * msPerImage, 0);
    const msPerImage = runs[0]!.total / batch;
    return {
      configuration: network.configuration,
      batch,
      crop: network.crop,
      width: network.width,
      mode,
      threads: backend.threads,
      kernels,
      precision,
      engine: backend.description,
      msPerImage,
      medianMsPerImage: runs[Math.floor(runs.length / 2)]!.total / batch,
      runs: runs.length,
      gflops: operations / msPerImage,
      peakGflops,
      shareOfPeak: operations / msPerImage / peakGflops,
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      programBytes,
      layers,
    };
  } finally {
    parameters.dispose();
  }
}

/** Runs after one that warms up, the fastest first. */
async function repeated(run: () => Promise<Run>, seconds: number): Promise<Run[]> {
  await run();
  const runs: Run[] = [];
  const end = performance.now() + seconds * 1000;
  while (runs.length < FEWEST_RUNS || performance.now() < end) runs.push(await run());
  return runs.sort((a, b) => a.total - b.total);
}

/** Each part as if nothing had disturbed it: the least of all runs. */
function leastOf(runs: readonly Run[]): Run {
  const least = (of: (run: Run) => number) => Math.min(...runs.map(of));
  const stages = runs[0]!.stages.map((stage, i) => ({
    ...stage,
    seconds: least((run) => run.stages[i]!.seconds),
  }));
  const update = least((run) => run.update);
  const rest = least(restOf);
  return { total: sumOf(stages) + update + rest, update, stages };
}

function sumOf(stages: readonly StageTime[]): number {
  return stages.reduce((sum, { seconds }) => sum + seconds * 1000, 0);
}

/** Images in, loss, scores out. */
function restOf({ total, update, stages }: Run): number {
  return total - update - sumOf(stages);
}

interface Prepared {
  readonly program: NativeProgram | NativeTrainingProgram;
  readonly run: () => Promise<Run>;
}

async function prepareInference(
  backend: NativeBackend,
  parameters: Parameters,
  { network, batch }: BenchmarkOptions,
): Promise<Prepared> {
  const inputShape = cropShape(network, batch);
  const program = await backend.compile({ layers: network.layers, inputShape, parameters });
  const input = noise(elementCount(inputShape), 50);
  const run = async (): Promise<Run> => {
    const start = performance.now();
    await program.forward(input);
    const total = performance.now() - start;
    return { total, update: 0, stages: await program.profile() };
  };
  return { program, run };
}

async function prepareTraining(
  backend: NativeBackend,
  parameters: Parameters,
  { network, batch }: BenchmarkOptions,
): Promise<Prepared> {
  const inputShape = cropShape(network, batch);
  const program = await backend.compileTraining({ layers: network.layers, inputShape, parameters });
  const step = {
    input: noise(elementCount(inputShape), 50),
    labels: Int32Array.from({ length: batch }, (_, image) => image % network.classes),
    dropoutKeys: Uint32Array.from({ length: 2 * batch }, (_, word) => word),
  };
  const run = async (): Promise<Run> => {
    const start = performance.now();
    await program.accumulate(step, 1 / batch);
    const middle = performance.now();
    await parameters.update(SGD);
    const end = performance.now();
    return { total: end - start, update: end - middle, stages: await program.profile() };
  };
  return { program, run };
}

/** Normal values; a table of them again and again, since drawing 138 million takes longer than the benchmark. */
function noise(count: number, deviation: number): Float32Array {
  const random = new RandomStream(deriveKeys(keyOfSeed(1), 'benchmark'));
  // An odd number, so that channels and rows do not repeat each other.
  const table = Float32Array.from({ length: Math.min(count, 99_991) }, () => deviation * random.normal());
  const values = new Float32Array(count);
  for (let at = 0; at < count; at += table.length) values.set(table.subarray(0, count - at), at);
  return values;
}

/** He's initialisation, under which activations neither grow nor vanish. */
async function fillWithNoise(parameters: Parameters): Promise<void> {
  for (const { name, shape, role } of parameters.specs) {
    const count = elementCount(shape);
    const deviation = role === 'bias' ? 0 : Math.sqrt((2 * shape[0]!) / count);
    await parameters.write('values', name, noise(count, deviation));
  }
}

function rowsOf(run: Run, network: Network, batch: number, peakGflops: number): BenchmarkRow[] {
  const costs = layerCosts(network);
  const row = (
    name: string,
    pass: BenchmarkRow['pass'],
    algorithm: string,
    ms: number,
    flops = 0,
  ): BenchmarkRow => {
    const gflops = ms > 0 ? (flops * batch) / ms / 1e6 : 0;
    return {
      name,
      pass,
      algorithm,
      msPerImage: ms / batch,
      gflops,
      shareOfPeak: gflops / peakGflops,
      shareOfTime: ms / run.total,
    };
  };
  const rows = run.stages
    .filter(({ seconds }) => seconds > 0)
    .map(({ layer, pass, algorithm, seconds }) =>
      row(costs[layer]!.name, pass, algorithm, seconds * 1000, 2 * costs[layer]!.multiplyAdds),
    );
  if (run.update > 0) rows.push(row('parameters', 'update', 'own', run.update));
  rows.push(row('network', 'rest', 'own', restOf(run)));
  return rows;
}
