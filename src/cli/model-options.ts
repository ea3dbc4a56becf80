/** Options of the commands that classify images. */
import { type Command, Option } from 'commander';
import { type Protocol, protocols } from '../evaluate/protocol.ts';
import type { BackendName, Precision } from '../kernels/backend-options.ts';
import { addForeignOptions, type ForeignFlags } from './foreign-options.ts';
import {
  backendOption,
  jsonOption,
  positiveInteger,
  precisionOption,
  testScales,
  threadsOption,
} from './options.ts';

/** The flags of `addModelOptions`, named like the options in src/api. */
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
  'center: the center crop; dense: the whole image, class scores averaged over positions; ' +
  'crops: a 5×5 grid of crops; both: the mean of dense and crops';

export function addModelOptions(command: Command): Command {
  command
    .addOption(
      modelOption('model file of any format; repeat it to average several models').makeOptionMandatory(),
    )
    .addOption(
      new Option('--protocol <name>', PROTOCOL_HELP).choices(protocols).default('dense' satisfies Protocol),
    )
    .option(
      '--scales <list>',
      'test scales Q in pixels, comma-separated, such as 256,384,512; auto: three, following the training scale S ' +
        '(default: one, S or the middle of its range)',
      testScales,
    )
    .option('--flip', 'average in the mirror image (default, except with --protocol center)')
    .option('--no-flip', 'leave out the mirror image')
    .addOption(maxPixelsOption())
    .addOption(threadsOption())
    .addOption(backendOption())
    .addOption(precisionOption())
    .addOption(jsonOption());
  return addFormatOptions(command);
}

/** The options for model files of other formats, in their own group of the help. */
export function addFormatOptions(command: Command): Command {
  return addForeignOptions(command.optionsGroup('For model files of other formats:')).optionsGroup(
    'Options:',
  );
}

/** `--model`, which may be repeated. */
export function modelOption(description: string): Option {
  return new Option('--model <file>', description).argParser(
    (path: string, before: readonly string[] = []) => [...before, path],
  );
}

export function maxPixelsOption(): Option {
  return new Option('--max-pixels <n>', 'refuse images with more pixels (default: 100 million)').argParser(
    positiveInteger,
  );
}
