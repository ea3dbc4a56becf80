import { choice, type FlagsOf, newCommand, option, required } from '../command.ts';
import {
  backend,
  config,
  gpus,
  json,
  networkOf,
  positiveInteger,
  positiveNumber,
  precision,
  sizeOptions,
  threads,
} from '../options.ts';
import { log, printAs } from '../output.ts';
import { rankOptions, withRanks } from '../ranks.ts';

const options = {
  config: required(config),
  ...sizeOptions,
  batch: option('<n>', 'batch size per rank', positiveInteger, '8'),
  mode: choice(['infer', 'train'], 'what to time', 'infer'),
  backend,
  precision,
  gpus,
  seconds: option('<n>', 'duration of the measurement', positiveNumber, '5'),
  threads,
  json,
  ...rankOptions,
};

/** `vgg bench`: the speed of this machine, layer by layer. */
export const command = newCommand('bench', {
  description: 'Time inference or whole training steps, with a table by layer and direction.',
  examples: ['bench --config D', 'bench --config D --batch 32 --mode train --backend webgpu --json'],
  options,
}).action(bench);

async function bench(flags: FlagsOf<typeof options>): Promise<void> {
  const network = networkOf(flags.config, flags);
  // Imported on demand, because it loads the native library.
  const { benchmark } = await import('../../api/benchmark-network.ts');
  const { formatBenchmark } = await import('../../report/benchmark-tables.ts');
  const result = await withRanks(flags, (communicator) => {
    log(`Timing network ${network.configuration} on this machine …`);
    return benchmark({ ...flags, network, communicator });
  });
  printAs(result, flags, formatBenchmark);
}
