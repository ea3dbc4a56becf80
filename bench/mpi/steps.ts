/**
 * Times training steps on synthetic images, with one process or several ranks, to measure only computation and the
 * exchange of gradients:
 *
 *   node dist/bench/mpi/steps.js --config D --threads 2
 *   mpirun -n 2 node dist/bench/mpi/steps.js --config D --threads 1 --by-layer
 *
 * The global batch is the same, so the ratio of the two times is the efficiency. On a busy machine the ratio of CPU
 * times (per step, of all ranks) is more reliable, because neither has idle time.
 *
 * `--parts` also times the parts of each step: the computation on all ranks without the exchange, and the exchange
 * without computation.
 */
import { parseArgs } from 'node:util';
import { type Communicator, type ExchangeType, exchangeTypes, single } from '../../src/comm/communicator.ts';
import { detectLaunch } from '../../src/comm/launch.ts';
import { openMpi } from '../../src/comm/mpi.ts';
import type { ImageBatch } from '../../src/data/training/loader.ts';
import type { PlannedBatch } from '../../src/data/training/sampler.ts';
import { fillParameters } from '../../src/kernels/canonical-parameters.ts';
import { createBackend } from '../../src/kernels/registry.ts';
import type { ConfigurationName } from '../../src/net/configurations.ts';
import { initialize } from '../../src/net/initialization.ts';
import { buildNetwork, cropShape, type Network, parameterCount } from '../../src/net/network.ts';
import { formatOverlap } from '../../src/report/benchmark-tables.ts';
import { BatchGradient } from '../../src/train/batch-gradient.ts';
import { overlapByLayer } from '../../src/train/exchange-overlap.ts';
import { type ExchangeTime, GradientExchange } from '../../src/train/gradient-exchange.ts';

const { values: options } = parseArgs({
  options: {
    config: { type: 'string', default: 'D' },
    width: { type: 'string', default: '1' },
    crop: { type: 'string', default: '224' },
    classes: { type: 'string', default: '1000' },
    batch: { type: 'string', default: '32' },
    'micro-batch': { type: 'string', default: '8' },
    steps: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
    'by-layer': { type: 'boolean', default: false },
    parts: { type: 'boolean', default: false },
    'gradient-dtype': { type: 'string', default: exchangeTypes[0] },
  },
});
const number = (name: keyof typeof options): number => Number(options[name]);
const [batch, microBatch] = [number('batch'), number('micro-batch')];

interface Step {
  readonly seconds: number;
  /** CPU time of this rank, in seconds. */
  readonly processor: number;
  readonly exchange?: ExchangeTime | undefined;
  readonly parts?: Parts;
}

/** Seconds of each part of a step, measured alone. */
export interface Parts {
  readonly arithmetic: number;
  readonly exchange: number;
}

/** The output of rank 0: medians over steps. */
export interface StepsReport {
  readonly ranks: number;
  readonly threads: number;
  readonly gradientMegabytes: number;
  readonly secondsPerStep: number;
  /** Sum over all ranks. */
  readonly processorSecondsPerStep: number;
  /** Several ranks only: from the first bucket's departure to the last one's arrival, and the part that was not hidden. */
  readonly exchangeSeconds?: number;
  readonly exposedSeconds?: number;
  readonly parts?: Parts;
}

/** Images without decoding: the same pattern in each. */
function images(network: Network, { images: chosen, epochs }: PlannedBatch): ImageBatch {
  const size = 3 * network.crop ** 2;
  const input = Float32Array.from({ length: chosen.length * size }, (_, i) => ((i * 7919) % 255) - 127);
  return { input, labels: Int32Array.from(chosen, (i) => i % network.classes), images: chosen, epochs };
}

async function timeSteps(network: Network, communicator: Communicator): Promise<Step[]> {
  const backend = createBackend('native', { threads: number('threads') });
  const parameters = backend.createParameters(network.parameters, { training: true });
  await fillParameters(parameters, initialize(network, { method: 'glorot', seed: 1 }));
  const program = await backend.compileTraining({
    layers: network.layers,
    inputShape: cropShape(network, microBatch),
    parameters,
  });
  const type = options['gradient-dtype'] as ExchangeType;
  const shared = {
    recipe: { batch, seed: 1, 'gradient-dtype': type, 'label-smoothing': 0 },
    classes: network.classes,
  };
  const gradientOver = (over: Communicator): BatchGradient =>
    new BatchGradient({ ...shared, microBatch, parameters, communicator: over });
  const gradient = gradientOver(communicator);
  // The same share of the batch, without an exchange of gradients.
  const muted = gradientOver({ ...single, rank: communicator.rank, size: communicator.size });
  const numbers = { images: new Uint32Array(batch).map((_, i) => i), epochs: new Uint32Array(batch) };
  const prepared = [...gradient.plan([numbers])].map((part) => images(network, part));
  const step = async (over: BatchGradient): Promise<ExchangeTime | undefined> => {
    let place = 0;
    const { exchange } = await over.add(program, async () => prepared[place++]!);
    await parameters.update({ learningRate: 1e-4, momentum: 0.9, weightDecay: 0, biasDecay: 0 });
    return exchange;
  };
  const exchangeAlone = (): Promise<ExchangeTime> =>
    new GradientExchange(parameters, communicator, type).finish();
  const steps: Step[] = [];
  // The first step warms up.
  for (let i = 0; i <= number('steps'); i++) {
    const whole = await timed(communicator, () => step(gradient));
    const parts = options.parts
      ? {
          arithmetic: (await timed(communicator, () => step(muted))).seconds,
          exchange: (await timed(communicator, exchangeAlone)).seconds,
        }
      : undefined;
    const { result: exchange, ...times } = whole;
    if (i > 0) steps.push({ ...times, exchange, parts });
  }
  return steps;
}

/** Times work until all ranks have done it. */
async function timed<T>(
  communicator: Communicator,
  work: () => Promise<T>,
): Promise<{ result: T; seconds: number; processor: number }> {
  await communicator.barrier();
  const [started, used] = [performance.now(), process.cpuUsage()];
  const result = await work();
  await communicator.barrier();
  const { user, system } = process.cpuUsage(used);
  return { result, seconds: (performance.now() - started) / 1000, processor: (user + system) / 1e6 };
}

const launch = detectLaunch();
const communicator = launch ? await openMpi({ launch }) : single;
const network = buildNetwork({
  configuration: options.config as ConfigurationName,
  classes: number('classes'),
  crop: number('crop'),
  width: number('width'),
});
const steps = await timeSteps(network, communicator);
const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const used = await communicator.gather(median(steps.map(({ processor }) => processor)));
if (communicator.rank === 0) {
  const exchanges = steps.flatMap(({ exchange }) => exchange ?? []);
  const parts = steps.flatMap(({ parts }) => parts ?? []);
  const report: StepsReport = {
    ranks: communicator.size,
    threads: number('threads'),
    gradientMegabytes: (parameterCount(network) * 4) / 1e6,
    secondsPerStep: median(steps.map(({ seconds }) => seconds)),
    processorSecondsPerStep: used.reduce((a, b) => a + b),
    exchangeSeconds: median(exchanges.map(({ total }) => total)),
    exposedSeconds: median(exchanges.map(({ exposed }) => exposed)),
    parts: options.parts
      ? {
          arithmetic: median(parts.map(({ arithmetic }) => arithmetic))!,
          exchange: median(parts.map(({ exchange }) => exchange))!,
        }
      : undefined,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  const usual = exchanges.sort((a, b) => a.total - b.total)[Math.floor(exchanges.length / 2)];
  if (options['by-layer'] && usual) {
    process.stdout.write(`${formatOverlap(overlapByLayer(network.parameters, usual.buckets))}\n`);
  }
}
await communicator.close();
process.exit();
