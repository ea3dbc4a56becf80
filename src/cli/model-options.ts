/** Options of the commands that apply models to images. */
import { type Command, Option } from 'commander';
import { type Protocol, protocols } from '../evaluate/protocol.ts';
import type { BackendName, Precision } from '../kernels/backend-options.ts';
import { addForeignOptions, type ForeignFlags, readOptionsOf } from './foreign-options.ts';
import {
  backendOption,
  jsonOption,
  positiveInteger,
  precisionOption,
  testScales,
  threadsOption,
} from './options.ts';

/** What `addModelOptions` reads. */
export interface ModelFlags extends ForeignFlags {
  readonly model: readonly string[];
  readonly protocol: Protocol;
  readonly scales?: readonly number[] | 'auto';
  readonly flip?: boolean;
  readonly maxPixels?: number;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly precision: Precision;
  readonly json?: boolean;
}

const PROTOCOL_HELP =
  'what is seen of an image: its center crop; dense: all of it, scores averaged over positions; ' +
  'crops: a 5×5 grid; both: the mean of dense and crops';

/** The options of commands that apply models to images. */
export function addModelOptions(command: Command): Command {
  command
    .addOption(
      new Option(
        '--model <file>',
        'model file of any format; given several times, their posteriors are averaged',
      )
        .argParser((path: string, before: readonly string[] = []) => [...before, path])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--protocol <name>', PROTOCOL_HELP).choices(protocols).default('dense' satisfies Protocol),
    )
    .option(
      '--scales <list>',
      'smaller sides Q that an image is rescaled to, such as 256,384,512; auto: the three that belong to the ' +
        'scales of training (default: the one that does)',
      testScales,
    )
    .option('--flip', 'see the mirror image too (default, except with center)')
    .option('--no-flip', 'do not see the mirror image')
    .option('--max-pixels <n>', 'images of more pixels are refused (default: 100 million)', positiveInteger)
    .addOption(threadsOption())
    .addOption(backendOption())
    .addOption(precisionOption())
    .addOption(jsonOption());
  return addForeignOptions(
    command.optionsGroup('What model files of other formats do not say:'),
  ).optionsGroup('Options:');
}

/**
 * The options that were given, under the names that src/api has for them.
 * @throws UserError when the classes file cannot be read.
 */
export async function modelOptionsOf(flags: ModelFlags) {
  const { protocol, scales, flip, maxPixels, threads, backend, precision } = flags;
  return {
    backend,
    precision,
    read: await readOptionsOf(flags),
    protocol,
    scales,
    flip,
    maxPixels,
    threads,
  };
}
