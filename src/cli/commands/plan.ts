import { InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../core/errors.ts';
import { configurationNames } from '../../net/configurations.ts';
import type { Network } from '../../net/network.ts';
import type { Speed } from '../../plan/arithmetic-time.ts';
import { estimateTraining } from '../../plan/training-estimate.ts';
import { formatPlan } from '../../report/plan-tables.ts';
import { choice, type FlagsOf, flag, newCommand, option, type Parser } from '../command.ts';
import {
  backend,
  freeze,
  inAnyCase,
  json,
  list,
  networkOf,
  number,
  positiveInteger,
  positiveNumber,
  sizeOptions,
  threads,
} from '../options.ts';
import { log, printAs } from '../output.ts';

/** @returns Gbit/s */
const bandwidth: Parser<number> = (text) => positiveNumber(text.replace(/\s*Gb(it)?(\/s)?$/i, ''));

const SECONDS: Readonly<Record<string, number>> = { us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1 };

/** @returns seconds */
const latency: Parser<number> = (text) => {
  const [, amount, unit = 'us'] = /^([\d.]+)\s*(us|µs|ms|s)?$/.exec(text.trim()) ?? [];
  if (amount === undefined) throw new InvalidArgumentError('It must be a time such as 20us or 1ms.');
  return number(0)(amount) * SECONDS[unit]!;
};

const options = {
  config: choice(configurationNames, 'network configuration of Table 1', 'D', inAnyCase),
  ...sizeOptions,
  freeze,
  batch: option('<n>', 'images per SGD step (batch size)', positiveInteger, '256'),
  microBatch: option(
    '<n>',
    "images computed at a time; their gradients add up to the batch's (default: as many as fit 4 GiB)",
    positiveInteger,
  ),
  images: option('<n>', 'images in the training set', positiveInteger, '1281167'),
  epochs: option('<n>', 'number of epochs', positiveNumber, '74'),
  gflops: option('<n>', 'speed of one machine in GFLOP/s, counted as direct convolution', positiveNumber),
  measure: flag('time this machine for a few seconds, instead of passing --gflops'),
  machines: option('<n,n,...>', 'numbers of machines to compare', list(positiveInteger), '1,2,4,8'),
  bandwidth: option('<gbit/s>', 'bandwidth between machines: 25Gb or 25', bandwidth, '10Gb'),
  latency: option('<time>', 'latency between machines: 20us, 1ms or 0.1s', latency, '20us'),
  gpus: option(
    '<n,n,...>',
    'also compare numbers of GPUs in one machine, from measurements on one (with --measure --backend webgpu)',
    list(positiveInteger),
  ),
  backend,
  threads,
  json,
};
type Flags = FlagsOf<typeof options>;

/** `vgg plan`: estimates what training will take, before anything runs. */
export const command = newCommand('plan', {
  description:
    'Estimate the operations, memory and time of a training run, and the speed-up from several machines.',
  examples: [
    'plan photos --measure',
    'plan --config E',
    'plan --config D --measure --machines 8,64 --bandwidth 25Gb --latency 20us',
  ],
  options,
})
  .argument(
    '[data]',
    'data set to train on; its images and classes decide what the flags leave open, as in training',
  )
  .action(showPlan);

async function showPlan(data: string | undefined, given: Flags): Promise<void> {
  const flags = data === undefined ? given : await flagsFor(data, given);
  checkGpus(flags);
  const network = networkOf(flags.config, flags);
  const speed = await speedOf(network, flags);
  const { memoryPlanner } = await import('../../api/training-cost.ts');
  const planner = memoryPlanner(flags.backend, flags.threads);
  const gpus = await gpusOf(network, flags);
  printAs(await estimateTraining({ ...flags, network, speed, planner, gpus }), flags, formatPlan);
}

/** Keys of a recipe that are flags here, too. */
const RECIPE_KEYS = ['config', 'width', 'crop', 'hidden', 'head-pool', 'batch', 'epochs'] as const;

/** The flags, with the data's values for those that are not given. */
async function flagsFor(data: string, flags: Flags): Promise<Flags> {
  const isGiven = (name: string) => command.getOptionValueSource(name) === 'cli';
  const given = Object.fromEntries(
    RECIPE_KEYS.map((key) => [key, new Option(`--${key}`).attributeName() as keyof Flags] as const)
      .filter(([, name]) => isGiven(name))
      .map(([key, name]) => [key, flags[name]]),
  );
  const { hidden, ...others } = given;
  const { chooseRecipe } = await import('../../api/choose-recipe.ts');
  const { recipe, facts } = await chooseRecipe(data, {
    ...others,
    ...(hidden === undefined ? {} : { hidden: String(hidden) || 'none' }),
  });
  const { config, width, crop, batch, epochs } = recipe;
  return {
    ...{ ...flags, config, width, crop, batch, epochs },
    classes: flags.classes ?? Math.max(2, facts.classes),
    images: isGiven('images') ? flags.images : facts.images,
  };
}

function checkGpus({ gpus, measure, backend }: Flags): void {
  if (gpus === undefined || (measure && backend === 'webgpu')) return;
  throw new UsageError('--gpus needs --measure and --backend webgpu: the prediction follows from one GPU');
}

async function gpusOf(network: Network, { gpus: counts }: Flags) {
  if (counts === undefined) return undefined;
  const { measureTransfer } = await import('../../api/measure-transfer.ts');
  return { counts, transfer: await measureTransfer(network, {}) };
}

async function speedOf(network: Network, flags: Flags): Promise<Speed | undefined> {
  const { gflops, measure, batch, backend, threads } = flags;
  if (!measure) return gflops ? { inferenceGflops: gflops, trainingGflops: gflops } : undefined;
  if (gflops) throw new UsageError('--gflops and --measure cannot be used together; omit one');
  log(`Timing network ${network.configuration} on this machine …`);
  // Imported on demand, because it loads the native library.
  const { measureSpeed } = await import('../../api/measure-speed.ts');
  const { MEASURED_BATCH } = await import('../../api/training-cost.ts');
  return measureSpeed(network, Math.min(batch, MEASURED_BATCH), backend, { threads });
}
