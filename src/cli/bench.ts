import { type Command, Option } from 'commander';
import {
  type BackendName,
  type KernelChoice,
  kernelChoices,
  type Precision,
} from '../kernels/backend-options.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import type { BenchmarkMode } from '../report/benchmark.ts';
import { newCommand } from './command.ts';
import {
  addSizeOptions,
  backendOption,
  configOption,
  jsonOption,
  networkOf,
  positiveInteger,
  positiveNumber,
  precisionOption,
  type SizeOptions,
  threadsOption,
} from './options.ts';
import { log, printAs } from './output.ts';
import { addRankOptions, type RankFlags, withRanks } from './ranks.ts';

interface Flags extends SizeOptions, RankFlags {
  readonly config: ConfigurationName;
  readonly batch: number;
  readonly mode: BenchmarkMode;
  readonly backend: BackendName;
  readonly kernels?: KernelChoice;
  readonly precision: Precision;
  readonly seconds: number;
  readonly threads?: number;
  readonly json?: boolean;
}

/** `vgg bench`: the speed of this machine, layer by layer. */
export function benchCommand(): Command {
  const command = newCommand('bench', {
    description: 'Time inference or whole training steps, with a table by layer and direction.',
    examples: [
      'bench --config D --batch 8',
      'bench --config D --batch 32 --mode train --backend webgpu --json',
    ],
  }).addOption(configOption());
  return addRankOptions(addSizeOptions(command))
    .option('--batch <n>', 'batch size, on each rank', positiveInteger, 8)
    .addOption(new Option('--mode <name>', 'what to time').choices(['infer', 'train']).default('infer'))
    .addOption(backendOption())
    .addOption(
      new Option(
        '--kernels <name>',
        "kernels of the 3×3 convolutions, for the backend native: this project's own (default) or oneDNN's",
      ).choices(kernelChoices),
    )
    .addOption(precisionOption())
    .option('--seconds <n>', 'duration of the measurement', positiveNumber, 5)
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(bench);
}

async function bench(flags: Flags): Promise<void> {
  const network = networkOf(flags.config, flags);
  // Only here, because it loads the native library.
  const { benchmark } = await import('../api/benchmark.ts');
  const { formatBenchmark } = await import('../report/benchmark-tables.ts');
  const result = await withRanks(flags, (communicator) => {
    log(`Timing network ${network.configuration} on this machine …`);
    return benchmark({ ...flags, network, communicator });
  });
  printAs(result, flags, formatBenchmark);
}
