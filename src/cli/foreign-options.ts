/** Flags for the facts that weight files of other frameworks lack. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { PoolingRounding } from '../core/layer.ts';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';
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

/** Adds the flags to a command. */
export function addForeignOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--convention <name>',
        "preprocessing that the network expects (default: the file's, or that of the published weights)",
      ).choices(conventionNames),
    )
    .option('--mean <r,g,b>', "mean to subtract, after --pixel-scale (default: the convention's)", triple)
    .option('--std <r,g,b>', "standard deviation to divide by (default: the convention's, or 1,1,1)", triple)
    .option(
      '--pixel-scale <factor>',
      "factor on pixels from 0 to 255, for example 1/255 (default: the convention's, or 1)",
      factor,
    )
    .addOption(
      new Option(
        '--channel-order <order>',
        "the network's order of color channels (default: the convention's)",
      ).choices(['rgb', 'bgr']),
    )
    .option(
      '--classes-file <file>',
      'class identifiers, one per line, each with an optional label after a tab',
    )
    .addOption(
      new Option(
        '--class-order <order>',
        "the network's order of ILSVRC's 1000 classes: by synset, or as in the development kit (default: sorted)",
      ).choices(['sorted', 'devkit']),
    )
    .addOption(
      new Option(
        '--config <name>',
        'configuration of Table 1, to tell A-LRN from A (default: from the shapes)',
      )
        .choices(configurationNames)
        .argParser(configuration),
    )
    .addOption(
      new Option('--pooling <rounding>', "rounding of odd sizes (default: the framework's)").choices([
        'floor',
        'ceil',
      ]),
    )
    .option('--prefix <name>', 'prefix of the tensor names, where a file holds several networks')
    .option(
      '--bn-epsilon <value>',
      "epsilon of batch normalization, where the file does not store it (default: the framework's)",
      positiveNumber,
    );
}

export function featuresOnlyOption(): Option {
  return new Option('--features-only', 'use only the convolutions, without the fully connected layers');
}

/** The flags as options of `readModel`. @throws UserError when the classes file cannot be read. */
export async function readOptionsOf(flags: ForeignFlags): Promise<ReadModelOptions> {
  const { convention, mean, std, pixelScale, channelOrder, classOrder, pooling, prefix, featuresOnly } =
    flags;
  const file = flags.classesFile;
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
    classNames: file === undefined ? undefined : await readClassesFile(file),
  };
}
