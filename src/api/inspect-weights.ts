import { messageOf, UserError } from '../core/errors.ts';
import { describeHead, type Network, parameterCount } from '../net/network.ts';
import { type FormatName, openWeights, type WeightFile } from '../weights/formats/formats.ts';
import { identify, preprocessingOf } from '../weights/import/identify.ts';
import { foreignRemarks } from '../weights/import/import-report.ts';
import { describePreprocessing } from '../weights/import/preprocessing.ts';
import { withStatedPreprocessing } from '../weights/import/stated-facts.ts';
import type { ReadModelOptions } from '../weights/model/read-model.ts';
import { withTidyMessages } from '../weights/weight-errors.ts';

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

/**
 * Inspects a weight file without reading its tensors.
 *
 * @param options facts that the file lacks (default: none)
 *
 * @example
 * const { network, preprocessing, problem } = await inspectWeights('VGG_ILSVRC_16_layers.caffemodel');
 * console.log(network?.configuration, preprocessing, problem);
 *
 * @throws UserError when the file's format is unknown, or the file violates it.
 */
export function inspectWeights(path: string, options: ReadModelOptions = {}): Promise<Inspection> {
  return withTidyMessages(() => inspect(path, options));
}

async function inspect(name: string, options: ReadModelOptions): Promise<Inspection> {
  const file = await openWeights(name);
  try {
    const { path, format, description, bytes } = file;
    const tensors = file.tensors.map(({ name, type, shape }) => ({ name, type, shape }));
    const facts = await networkFacts(file, withStatedPreprocessing(file, options));
    return { path, format, description, bytes, tensors, ...facts };
  } finally {
    await file.close();
  }
}

function networkFacts(file: WeightFile, options: ReadModelOptions): Promise<Partial<Inspection>> {
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
