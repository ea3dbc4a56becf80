import { type Command, Option } from 'commander';
import { UsageError } from '../core/errors.ts';
import type { BackendName } from '../kernels/backend-options.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import type { Network } from '../net/network.ts';
import { makePlan, type Speed } from '../plan/plan.ts';
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
  readonly nodes?: number[];
  readonly bandwidth: number;
  readonly latency: number;
  readonly backend: BackendName;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Images that `--measure` computes at once: enough for full speed, few enough for any machine. */
const MEASURED_BATCH = 8;

const gigabits: Parser<number> = (text) => positiveNumber(text.replace(/\s*Gb(it)?(\/s)?$/i, ''));

/** @returns seconds */
const microseconds: Parser<number> = (text) => number(0)(text.replace(/\s*[uµ]s$/, '')) * 1e-6;

/** `vgg plan`: what training will take, before anything runs. */
export function planCommand(): Command {
  const command = newCommand('plan', {
    description: 'Estimate arithmetic, memory, time and the gain from several machines.',
    examples: ['plan --config E', 'plan --config D --measure --nodes 8,64 --bandwidth 25Gb --latency 20us'],
  }).addOption(configOption().makeOptionMandatory(false).default('D'));
  return addSizeOptions(command)
    .option('--batch <n>', 'images a step of SGD', positiveInteger, 256)
    .option('--micro-batch <n>', 'images computed at once (default: what fits 4 GiB)', positiveInteger)
    .option('--images <n>', 'images in the training set', positiveInteger, 1_281_167)
    .option('--epochs <n>', 'passes over the training set', positiveNumber, 74)
    .option('--gflops <n>', 'speed of one machine, counted as direct convolution', positiveNumber)
    .option('--measure', 'time this machine instead, for some seconds')
    .addOption(
      new Option('--machines <list>', 'numbers of machines to compare')
        .argParser(list(positiveInteger))
        .default([1, 2, 4, 8], '1,2,4,8'),
    )
    .option('--nodes <list>', 'the same', list(positiveInteger))
    .option('--bandwidth <gbit>', 'of the network between machines, Gbit/s: 25 or 25Gb', gigabits, 10)
    .option('--latency <us>', 'of a message between machines, microseconds: 20 or 20us', microseconds, 20e-6)
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(showPlan);
}

async function showPlan(flags: Flags): Promise<void> {
  const network = networkOf(flags.config, flags);
  const speed = await speedOf(network, flags);
  const machines = flags.nodes ?? flags.machines;
  const plan = makePlan({ ...flags, machines, network, speed });
  printAs(plan, flags, formatPlan);
}

async function speedOf(network: Network, flags: Flags): Promise<Speed | undefined> {
  const { gflops, measure, batch, backend, threads } = flags;
  if (!measure) return gflops ? { inferenceGflops: gflops, trainingGflops: gflops } : undefined;
  if (gflops) throw new UsageError('--gflops and --measure exclude each other; leave one out');
  log(`Timing network ${network.configuration} on this machine …`);
  // Only here, because it loads the native library.
  const { measureSpeed } = await import('./measure.ts');
  return measureSpeed(network, Math.min(batch, MEASURED_BATCH), backend, threads ? { threads } : {});
}
