import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError, UserError } from '../core/errors.ts';
import type { BackendName } from '../kernels/backend-options.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import type { Network } from '../net/network.ts';
import type { Speed } from '../plan/arithmetic-time.ts';
import type { MemoryPlanner } from '../plan/process-memory.ts';
import { estimateTraining } from '../plan/training-estimate.ts';
import { formatPlan } from '../report/plan-tables.ts';
import { newCommand } from './command.ts';
import {
  addSizeOptions,
  backendOption,
  configOption,
  jsonOption,
  list,
  networkOf,
  number,
  type Parser,
  positiveInteger,
  positiveNumber,
  type SizeOptions,
  threadsOption,
} from './options.ts';
import { log, printAs } from './output.ts';

interface Flags extends SizeOptions {
  readonly config: ConfigurationName;
  readonly batch: number;
  readonly microBatch?: number;
  readonly images: number;
  readonly epochs: number;
  readonly gflops?: number;
  readonly measure?: boolean;
  readonly machines: number[];
  readonly bandwidth: number;
  readonly latency: number;
  readonly backend: BackendName;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Batch size of `--measure`: large enough for full speed, small enough for any machine. */
const MEASURED_BATCH = 8;

/** @returns Gbit/s */
const bandwidth: Parser<number> = (text) => positiveNumber(text.replace(/\s*Gb(it)?(\/s)?$/i, ''));

const SECONDS: Readonly<Record<string, number>> = { us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1 };

/** @returns seconds */
const latency: Parser<number> = (text) => {
  const [, amount, unit = 'us'] = /^([\d.]+)\s*(us|µs|ms|s)?$/.exec(text.trim()) ?? [];
  if (amount === undefined) throw new InvalidArgumentError('It must be a time such as 20us or 1ms.');
  return number(0)(amount) * SECONDS[unit]!;
};

/** `vgg plan`: what a training will take, before anything runs. */
export function planCommand(): Command {
  const command = newCommand('plan', {
    description:
      'Estimate the arithmetic, memory and time of a training, and the speed-up from several machines.',
    examples: [
      'plan --config E',
      'plan --config D --measure --machines 8,64 --bandwidth 25Gb --latency 20us',
    ],
  }).addOption(configOption().makeOptionMandatory(false).default('D'));
  return addSizeOptions(command)
    .option('--batch <n>', 'images per SGD step (batch size)', positiveInteger, 256)
    .option('--micro-batch <n>', 'images computed at once (default: as many as fit 4 GiB)', positiveInteger)
    .option('--images <n>', 'images in the training set', positiveInteger, 1_281_167)
    .option('--epochs <n>', 'passes over the training set', positiveNumber, 74)
    .option('--gflops <n>', 'speed of one machine, counted as direct convolution', positiveNumber)
    .option('--measure', 'time this machine instead, for a few seconds')
    .addOption(
      new Option('--machines <n,n,...>', 'numbers of machines to compare')
        .argParser(list(positiveInteger))
        .default([1, 2, 4, 8], '1,2,4,8'),
    )
    .addOption(
      new Option('--bandwidth <gbit/s>', 'of the network between machines: 25Gb or 25')
        .argParser(bandwidth)
        .default(10, '10Gb'),
    )
    .addOption(
      new Option('--latency <time>', 'of a message between machines: 20us, 1ms or 0.1s')
        .argParser(latency)
        .default(20e-6, '20us'),
    )
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(showPlan);
}

async function showPlan(flags: Flags): Promise<void> {
  const network = networkOf(flags.config, flags);
  const speed = await speedOf(network, flags);
  const planner = await plannerOf(flags);
  printAs(await estimateTraining({ ...flags, network, speed, planner }), flags, formatPlan);
}

async function speedOf(network: Network, flags: Flags): Promise<Speed | undefined> {
  const { gflops, measure, batch, backend, threads } = flags;
  if (!measure) return gflops ? { inferenceGflops: gflops, trainingGflops: gflops } : undefined;
  if (gflops) throw new UsageError('--gflops and --measure exclude each other; leave one out');
  log(`Timing network ${network.configuration} on this machine …`);
  // Only here, because it loads the native library.
  const { measureSpeed } = await import('../api/measure-speed.ts');
  return measureSpeed(network, Math.min(batch, MEASURED_BATCH), backend, { threads });
}

/** Only the native backend plans memory. Without its addon there is still an estimate. */
async function plannerOf({ backend: name, threads }: Flags): Promise<MemoryPlanner | undefined> {
  if (name !== 'native') return undefined;
  try {
    const { createBackend } = await import('../kernels/registry.ts');
    const backend = createBackend(name, { threads });
    return backend.planMemory?.bind(backend);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
