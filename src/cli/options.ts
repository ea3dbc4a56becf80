/** Options that several commands have, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../core/errors.ts';
import { parseTrainScale, type TrainScale } from '../core/scale.ts';
import type { BackendName, Precision } from '../kernels/registry.ts';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';
import { buildNetwork, type Network } from '../net/network.ts';

/** Reads an option's value. @throws InvalidArgumentError, from which commander names the option and exits with 2. */
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

/** Several values between commas, none twice. */
export function list<T>(parse: Parser<T>): Parser<T[]> {
  return (text) => {
    const values = text.split(',').map((part) => parse(part.trim()));
    if (new Set(values).size !== values.length) throw new InvalidArgumentError('A value stands there twice.');
    return values;
  };
}

/** Test scales Q: `256` or `256,384,512`; `auto` for those that belong to the scales of training (section 4). */
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

/** A network of Table 1, whatever the case of its letters. */
export const configuration: Parser<ConfigurationName> = (text) => {
  const found = configurationNames.find((name) => name.toLowerCase() === text.toLowerCase());
  if (!found) throw new InvalidArgumentError(`Choose one of ${configurationNames.join(', ')}.`);
  return found;
};

export const backendNames = ['onednn', 'webgpu', 'reference'] as const satisfies readonly BackendName[];

export function threadsOption(): Option {
  return new Option('--threads <n>', 'threads of the arithmetic (default: all cores)').argParser(
    positiveInteger,
  );
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'what does the arithmetic')
    .choices(backendNames)
    .default('onednn' satisfies BackendName);
}

export function precisionOption(): Option {
  return new Option(
    '--precision <name>',
    'what is multiplied; bf16 (processor, inference), f16 (GPU): faster, less exact',
  )
    .choices(['fp32', 'bf16', 'f16'] satisfies Precision[])
    .default('fp32' satisfies Precision);
}

export function jsonOption(): Option {
  return new Option('--json', 'print one JSON document');
}

export function configOption(): Option {
  return new Option('--config <name>', `network of Table 1: ${configurationNames.join(', ')}`)
    .argParser(configuration)
    .makeOptionMandatory();
}

/** What `addSizeOptions` reads. */
export interface SizeOptions {
  readonly classes?: number;
  readonly crop: number;
  readonly width: number;
}

/** `--classes`, `--crop` and `--width`: what a network of Table 1 can be varied in. */
export function addSizeOptions(command: Command): Command {
  return command
    .option('--classes <n>', 'number of classes (default: 1000)', integer(2))
    .option('--crop <pixels>', 'side of the training crop, a multiple of 32', positiveInteger, 224)
    .option('--width <factor>', 'multiplies the channels of every hidden layer', positiveNumber, 1);
}

/** @throws UsageError when the sizes make no network. */
export function networkOf(name: ConfigurationName, { classes = 1000, crop, width }: SizeOptions): Network {
  return buildNetwork({ configuration: name, classes, crop, width });
}
