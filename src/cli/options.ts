/** Options that several commands share, and the parsers of their values. */
import { InvalidArgumentError } from 'commander';
import { colorProfileModes } from '../core/image-preparation.ts';
import { backendNames, precisions, presentBackendName } from '../kernels/backend-options.ts';
import { type HeadPool, parseHeadPool, parseHidden } from '../net/classifier.ts';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';
import { selectLayers, withFrozenLayers } from '../net/frozen-layers.ts';
import { buildNetwork, type Network } from '../net/network.ts';
import { choice, type FlagsOf, flag, option, type Parser } from './command.ts';

export function integer(min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): Parser<number> {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number${rangeOf(min, max)}.`);
    }
    return value;
  };
}

export const positiveInteger: Parser<number> = integer(1);

export function number(min = -Infinity, max = Infinity): Parser<number> {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a number${rangeOf(min, max)}.`);
    }
    return value;
  };
}

export const positiveNumber: Parser<number> = (text) => {
  const value = number()(text);
  if (value <= 0) throw new InvalidArgumentError('It must be above 0.');
  return value;
};

function rangeOf(min: number, max: number): string {
  if (min <= Number.MIN_SAFE_INTEGER) return '';
  return max < Number.MAX_SAFE_INTEGER ? ` from ${min} to ${max}` : `, at least ${min}`;
}

/** A comma-separated list without duplicates. */
export function list<T>(parse: Parser<T>): Parser<T[]> {
  return (text) => {
    const values = text.split(',').map((part) => parse(part.trim()));
    if (new Set(values).size !== values.length) throw new InvalidArgumentError('Duplicate value.');
    return values;
  };
}

/** Test scales Q: `256` or `256,384,512`; `auto` for the paper's choice for the training scale (section 4). */
export const testScales: Parser<readonly number[] | 'auto'> = (text) =>
  text === 'auto' ? 'auto' : list(positiveInteger)(text);

/** Red, green and blue: `123.68,116.779,103.939`. */
export function rgb(min?: number, max?: number): Parser<[red: number, green: number, blue: number]> {
  return (text) => {
    const values = text.split(',').map((part) => number(min, max)(part.trim()));
    if (values.length !== 3) throw new InvalidArgumentError('It must be three numbers: red,green,blue.');
    return values as [number, number, number];
  };
}

export const json = flag('print the result as JSON');
export const threads = option('<n>', 'compute threads (default: all cores)', positiveInteger);
export const maxPixels = option(
  '<n>',
  'largest image to accept, in pixels (default: 100000000)',
  positiveInteger,
);

export const colorProfiles = choice(
  colorProfileModes,
  "embedded color profiles of images: ignore, or convert to sRGB (default: as in the model's training)",
);

/** Accepts a backend's former name, too. */
export const backend = choice(backendNames, 'compute backend', backendNames[0], presentBackendName);

export const precision = choice(
  precisions,
  'number format of the multiplications; bf16 (CPU, inference only) and f16 (GPU) are faster and less exact',
  precisions[0],
);

export const gpus = option(
  '<which>',
  'GPUs that share the work (--backend webgpu): all, how many (4), their numbers (0,2, or device=1 for one) or part of a name (default: one)',
);

/** Names of configurations in upper or lower case. */
export const inAnyCase = (text: string): string =>
  configurationNames.find((name) => name.toLowerCase() === text.toLowerCase()) ?? text;

export const config = choice(configurationNames, 'network configuration of Table 1', undefined, inAnyCase);

/** `average`, `max`, `average-7` or `none`. */
export const headPool: Parser<HeadPool | 'none'> = (text) => {
  const pool = parseHeadPool(text);
  if (pool === null) throw new InvalidArgumentError('It must be none, average, max or average-k (to k×k).');
  return pool ?? 'none';
};

const hiddenUnits: Parser<readonly number[]> = (text) => {
  const units = parseHidden(text);
  if (units === null) throw new InvalidArgumentError('It must be a list of units such as 512,128, or none.');
  return units;
};

/** How a network may differ from Table 1. */
export const sizeOptions = {
  classes: option('<n>', 'number of classes (default: 1000)', integer(2)),
  crop: option('<pixels>', 'side of the training crop, a multiple of 32', positiveInteger, '224'),
  hidden: option(
    '<list>',
    'units of the fully connected layers before the last, such as 512,128; none: the last alone (default: 4096,4096, times width)',
    hiddenUnits,
  ),
  headPool: option(
    '<kind>',
    'pooling before the fully connected layers: none, average or max (global), or average-k (to k×k) (default: none)',
    headPool,
  ),
  width: option('<factor>', 'multiplier for the channels of every hidden layer', positiveNumber, '1'),
};

export const freeze = option(
  '<layers>',
  'layers that training leaves as they are: conv1_1..conv3_3, features, all-but-fc8, or a list',
);

/** @throws UsageError when no network has these sizes or layers. */
export function networkOf(
  configuration: ConfigurationName,
  {
    classes = 1000,
    crop,
    width,
    hidden,
    headPool: pool,
    freeze: frozen,
  }: FlagsOf<typeof sizeOptions> & { readonly freeze?: string },
): Network {
  const network = buildNetwork({
    configuration,
    classes,
    crop,
    width,
    hidden,
    headPool: pool === 'none' ? undefined : pool,
  });
  if (frozen === undefined) return network;
  return withFrozenLayers(network, selectLayers(network, frozen, '--freeze'));
}
