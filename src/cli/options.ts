/** Options that several commands share, and the parsers of their values. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../core/errors.ts';
import { parseTrainScale, type TrainScale } from '../core/scale.ts';
import {
  type BackendName,
  backendNames,
  precisions,
  presentBackendName,
} from '../kernels/backend-options.ts';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';
import { buildNetwork, type Network } from '../net/network.ts';

/** Parses an option's value. @throws InvalidArgumentError; commander adds the option's name and exits with code 2. */
export type Parser<T> = (text: string) => T;

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
  const value = number(0)(text);
  if (value === 0) throw new InvalidArgumentError('It must be above 0.');
  return value;
};

function rangeOf(min: number, max: number): string {
  const from = min > Number.MIN_SAFE_INTEGER ? ` from ${min}` : '';
  const to = max < Number.MAX_SAFE_INTEGER ? ` up to ${max}` : '';
  return from + to;
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

/** Training scale S: `256` or `256..512`. */
export const trainScale: Parser<TrainScale> = (text) => {
  try {
    return parseTrainScale(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
};

/** `123.68,116.779,103.939`: red, green, blue, 0–255. */
export const meanRgb: Parser<[red: number, green: number, blue: number]> = (text) => {
  const values = text.split(',').map((part) => number(0, 255)(part.trim()));
  if (values.length !== 3) throw new InvalidArgumentError('It must be three numbers: red,green,blue.');
  return values as [number, number, number];
};

/** A configuration of Table 1, in upper or lower case. */
export const configuration: Parser<ConfigurationName> = (text) => {
  const found = configurationNames.find((name) => name.toLowerCase() === text.toLowerCase());
  if (!found) throw new InvalidArgumentError(`Choose one of ${configurationNames.join(', ')}.`);
  return found;
};

/** A backend's name, or the one it had before. */
const backendName: Parser<BackendName> = (text) => {
  const found = backendNames.find((name) => name === presentBackendName(text));
  if (!found) throw new InvalidArgumentError(`Allowed choices are ${backendNames.join(', ')}.`);
  return found;
};

export function threadsOption(): Option {
  return new Option('--threads <n>', 'compute threads (default: all cores)').argParser(positiveInteger);
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'compute backend')
    .choices(backendNames)
    .argParser(backendName)
    .default(backendNames[0]);
}

export function precisionOption(): Option {
  return new Option(
    '--precision <name>',
    'number format of the multiplications; bf16 (CPU, inference) and f16 (GPU) are faster and less exact',
  )
    .choices(precisions)
    .default(precisions[0]);
}

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON document');
}

export function configOption(): Option {
  return new Option('--config <name>', 'configuration of Table 1')
    .choices(configurationNames)
    .argParser(configuration)
    .makeOptionMandatory();
}

/** The flags of `addSizeOptions`. */
export interface SizeOptions {
  readonly classes?: number;
  readonly crop: number;
  readonly width: number;
}

/** `--classes`, `--crop` and `--width`: how a network may differ from Table 1. */
export function addSizeOptions(command: Command): Command {
  return command
    .option('--classes <n>', 'number of classes (default: 1000)', integer(2))
    .option('--crop <pixels>', 'side of the training crop, a multiple of 32', positiveInteger, 224)
    .option('--width <factor>', 'factor on the channels of every hidden layer', positiveNumber, 1);
}

/** @throws UsageError when no network has these sizes. */
export function networkOf(name: ConfigurationName, { classes = 1000, crop, width }: SizeOptions): Network {
  return buildNetwork({ configuration: name, classes, crop, width });
}
