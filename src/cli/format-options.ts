/** Options for the facts that weight files of other frameworks lack. */
import { InvalidArgumentError } from 'commander';
import { configurationNames } from '../net/configurations.ts';
import { conventionNames } from '../weights/import/preprocessing.ts';
import type { ReadModelOptions } from '../weights/model/read-model.ts';
import { classesFile, readClassesFile } from './classes-file.ts';
import { choice, type FlagsOf, flag, inGroup, option, type Parser } from './command.ts';
import { headPool, inAnyCase, positiveInteger, positiveNumber, rgb } from './options.ts';
import { log } from './output.ts';

/** `1`, `0.017`, or `1/255`. */
const factor: Parser<number> = (text) => {
  const [above, below = 1, ...rest] = text.split('/').map((part) => positiveNumber(part.trim()));
  if (rest.length > 0) throw new InvalidArgumentError('It must be a number or a fraction such as 1/255.');
  return above! / below;
};

const options = {
  convention: choice(
    conventionNames,
    'preprocessing that the network expects (default: as recorded in the file, or that of the published weights)',
  ),
  mean: option('<r,g,b>', "mean to subtract, after --pixel-scale (default: the convention's)", rgb()),
  std: option('<r,g,b>', "standard deviation to divide by (default: the convention's, or 1,1,1)", rgb()),
  pixelScale: option(
    '<factor>',
    "factor on pixels from 0 to 255, for example 1/255 (default: the convention's, or 1)",
    factor,
  ),
  channelOrder: choice(['rgb', 'bgr'], "the network's order of color channels (default: the convention's)"),
  classesFile,
  classOrder: choice(
    ['sorted', 'devkit'],
    "the network's order of ILSVRC's 1000 classes: by synset, or as in the development kit (default: sorted)",
  ),
  config: choice(
    configurationNames,
    'network configuration of Table 1, needed to distinguish A-LRN from A (default: recognized by the tensor shapes)',
    undefined,
    inAnyCase,
  ),
  pooling: choice(['floor', 'ceil'], "rounding of odd sizes in max pooling (default: the framework's)"),
  headPool: option(
    '<kind>',
    "pooling before the classifier, where the file holds only tensors: none, average or max (global), or average-k (to k×k, as PyTorch's AdaptiveAvgPool2d) (default: none)",
    headPool,
  ),
  crop: option(
    '<pixels>',
    "side of the crop of a network that pools before its classifier (default: the file's input size, or 224)",
    positiveInteger,
  ),
  prefix: option('<name>', 'prefix of the tensor names, if a file holds several networks', String),
  bnEpsilon: option(
    '<value>',
    "epsilon of batch normalization, if the file does not store it (default: the framework's)",
    positiveNumber,
  ),
};

export const formatOptions = inGroup('For model files of other formats:', options);

export const featuresOnly = flag('use only the convolutions, without the fully connected layers');

/** The flags as options of `readModel`. @throws UserError when the classes file cannot be read. */
export async function readOptionsOf(
  flags: FlagsOf<typeof formatOptions> & { readonly featuresOnly?: boolean },
): Promise<ReadModelOptions> {
  const { convention, mean, std, channelOrder, classOrder, pooling, prefix } = flags;
  const file = flags.classesFile;
  return {
    convention,
    mean,
    std,
    scale: flags.pixelScale,
    channelOrder,
    classOrder,
    pooling,
    prefix,
    headPool: flags.headPool,
    crop: flags.crop,
    onRemark: log,
    featuresOnly: flags.featuresOnly,
    configuration: flags.config,
    batchNormEpsilon: flags.bnEpsilon,
    classNames: file === undefined ? undefined : await readClassesFile(file),
  };
}
