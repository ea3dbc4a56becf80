/** Flags that say what a foreign weight file does not say itself. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { PoolingRounding } from '../core/layer.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import { type ConventionName, conventionNames } from '../weights/import/preprocessing.ts';
import type { ReadModelOptions } from '../weights/model/read-model.ts';
import { readClassesFile } from './classes-file.ts';
import { configuration, number, type Parser, positiveNumber } from './options.ts';

export interface ForeignFlags {
  readonly convention?: ConventionName;
  readonly mean?: readonly [number, number, number];
  readonly std?: readonly [number, number, number];
  readonly pixelScale?: number;
  readonly channelOrder?: 'rgb' | 'bgr';
  readonly classesFile?: string;
  readonly labels?: string;
  readonly classOrder?: 'sorted' | 'devkit';
  readonly config?: ConfigurationName;
  readonly pooling?: PoolingRounding;
  readonly prefix?: string;
  readonly bnEpsilon?: number;
  readonly featuresOnly?: boolean;
}

const triple: Parser<[number, number, number]> = (text) => {
  const values = text.split(',').map((part) => number()(part.trim()));
  if (values.length !== 3) throw new InvalidArgumentError('It must be three numbers: red,green,blue.');
  return values as [number, number, number];
};

/** `1`, `0.017`, or `1/255`. */
const factor: Parser<number> = (text) => {
  const [above, below, ...rest] = text.split('/').map((part) => positiveNumber(part.trim()));
  if (rest.length > 0) throw new InvalidArgumentError('It must be a number or a fraction such as 1/255.');
  return below === undefined ? above! : above! / below;
};

/** Adds the flags. */
export function addForeignOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--convention <name>', 'what the input takes, where it does not say it').choices(
        conventionNames,
      ),
    )
    .addOption(
      new Option('--mean <r,g,b>', 'mean that the input has subtracted, after scaling').argParser(triple),
    )
    .addOption(new Option('--std <r,g,b>', 'standard deviation that it divides by').argParser(triple))
    .addOption(
      new Option(
        '--pixel-scale <factor>',
        'what pixels from 0 to 255 are multiplied by first: 1, 1/255',
      ).argParser(factor),
    )
    .addOption(
      new Option('--channel-order <order>', 'order in which the input takes the channels').choices([
        'rgb',
        'bgr',
      ]),
    )
    .option('--classes-file <file>', 'class identifiers (and, behind a tab, labels), one a line')
    .option('--labels <file>', 'the same as --classes-file')
    .addOption(
      new Option(
        '--class-order <order>',
        "order of the outputs of a network of ILSVRC's 1000 classes: sorted synsets, or the development kit's",
      ).choices(['sorted', 'devkit']),
    )
    .option('--config <name>', 'network of Table 1, to tell A-LRN from A', configuration)
    .addOption(
      new Option('--pooling <rounding>', "rounding of odd extents (default: the framework's)").choices([
        'floor',
        'ceil',
      ]),
    )
    .option('--prefix <name>', 'what stands before the names of the network, where a file holds several')
    .option(
      '--bn-epsilon <value>',
      "batch normalisation's epsilon, where the file does not say it",
      positiveNumber,
    );
}

export function featuresOnlyOption(): Option {
  return new Option('--features-only', 'leave the fully connected layers out');
}

/** What the flags say, for `readModel`. @throws UserError when the classes file cannot be read. */
export async function readOptionsOf(flags: ForeignFlags): Promise<ReadModelOptions> {
  const { convention, mean, std, pixelScale, channelOrder, classOrder, pooling, prefix, featuresOnly } =
    flags;
  const file = flags.classesFile ?? flags.labels;
  return {
    convention,
    mean,
    std,
    scale: pixelScale,
    channelOrder,
    classOrder,
    pooling,
    prefix,
    featuresOnly,
    configuration: flags.config,
    batchNormEpsilon: flags.bnEpsilon,
    ...(file !== undefined && { classNames: await readClassesFile(file) }),
  };
}
