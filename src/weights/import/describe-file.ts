/** Describes an open weight file: its tensors, and the network that they form. */
import { messageOf, UserError } from '../../core/errors.ts';
import { describeHead, type Network, parameterCount } from '../../net/network.ts';
import type { FormatName, WeightFile } from '../formats/readers.ts';
import { identify, preprocessingOf } from './identify.ts';
import type { ImportOptions } from './import-options.ts';
import { foreignRemarks } from './import-report.ts';
import { describePreprocessing } from './preprocessing.ts';
import { withStatedPreprocessing } from './stated-facts.ts';

export interface InspectedTensor {
  /** Its name in the file. */
  readonly name: string;
  /** `F32`, `F16`, … or the format's own name for an unsupported type. */
  readonly type: string;
  readonly shape: readonly number[];
}

/** The contents of a weight file. */
export interface Inspection {
  readonly path: string;
  readonly format: FormatName;
  /** Human-readable: `PyTorch, zip archive`. */
  readonly description: string;
  readonly bytes: number;
  readonly tensors: readonly InspectedTensor[];
  /** Undefined if the tensors are not those of a VGG network. */
  readonly network?: {
    readonly configuration: string;
    readonly classes: number;
    readonly crop: number;
    readonly width: number;
    readonly pooling: string;
    readonly parameters: number;
    readonly batchNormalized: boolean;
    /** Pooling and layers of a classifier that is not that of Table 1: `global average pooling, FC-10`. */
    readonly head?: string;
  };
  /** The naming scheme of its layers. */
  readonly naming?: string;
  /** The preprocessing that the network expects. */
  readonly preprocessing?: string;
  /** Class names, if the file has them. */
  readonly labels?: readonly string[];
  readonly provenance?: Readonly<Record<string, string>>;
  /** Warnings about a file of another framework: what is assumed, changed or left out. */
  readonly remarks?: readonly string[];
  /** Why the file cannot be used as it is: a missing fact, or another network. */
  readonly problem?: string;
}

/** Describes a file without reading its tensors. A network that is not recognized is a `problem`, not an error. */
export async function describeFile(file: WeightFile, options: ImportOptions = {}): Promise<Inspection> {
  const { path, format, description, bytes } = file;
  const tensors = file.tensors.map(({ name, type, shape }) => ({ name, type, shape }));
  const facts = await networkFacts(file, withStatedPreprocessing(file, options));
  return { path, format, description, bytes, tensors, ...facts };
}

function networkFacts(file: WeightFile, options: ImportOptions): Promise<Partial<Inspection>> {
  return orProblem(async () => {
    const identified = identify(file, options);
    const { foreign, network, facts } = identified;
    const normalized = foreign.convolutions.some(({ norms }) => norms.length > 0);
    const known = {
      network: summary(network, normalized),
      naming: facts ? "verydeep's own names" : foreign.naming,
      labels: facts?.labels ?? statedLabels(file, network),
      provenance: facts?.provenance,
      remarks: facts ? [] : foreignRemarks(foreign, network, options),
    };
    const preprocessing = await orProblem(async () => ({
      preprocessing: describePreprocessing(await preprocessingOf(file.path, identified, options)),
    }));
    return { ...known, ...preprocessing };
  });
}

function statedLabels({ classNames }: WeightFile, { classes }: Network): readonly string[] | undefined {
  return classNames?.labels.length === classes ? classNames.labels : undefined;
}

async function orProblem(find: () => Promise<Partial<Inspection>>): Promise<Partial<Inspection>> {
  try {
    return await find();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { problem: messageOf(error) };
  }
}

function summary(network: Network, batchNormalized: boolean) {
  const { configuration, classes, crop, width, pooling } = network;
  return {
    configuration,
    classes,
    crop,
    width,
    pooling,
    parameters: parameterCount(network),
    batchNormalized,
    head: describeHead(network),
  };
}
