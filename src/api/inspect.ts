import { messageOf, UserError } from '../core/errors.ts';
import { type Network, parameterCount } from '../net/network.ts';
import { openWeights } from '../weights/formats/formats.ts';
import type { FormatName, WeightFile } from '../weights/formats/weight-file.ts';
import { identify } from '../weights/import/import-model.ts';
import { preprocessingFor } from '../weights/import/options.ts';
import { describePreprocessing, nativePreprocessing } from '../weights/import/preprocessing.ts';
import { tidily } from '../weights/import/tidy.ts';
import type { ReadModelOptions } from '../weights/model/read-model.ts';

export interface InspectedTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
}

/** What a weight file holds. */
export interface Inspection {
  readonly path: string;
  readonly format: FormatName;
  readonly description: string;
  readonly bytes: number;
  readonly tensors: readonly InspectedTensor[];
  readonly network?: {
    readonly configuration: string;
    readonly classes: number;
    readonly crop: number;
    readonly width: number;
    readonly pooling: string;
    readonly parameters: number;
    readonly batchNormalized: boolean;
  };
  /** Under which names its layers are. */
  readonly naming?: string;
  /** What the network takes. */
  readonly preprocessing?: string;
  /** Class names, where the file has them. */
  readonly labels?: readonly string[];
  readonly provenance?: Readonly<Record<string, string>>;
  /** Why it cannot be used as it is: what it lacks, or that it is another network. */
  readonly problem?: string;
}

/**
 * Looks at a weight file without reading its tensors.
 * @throws UserError when the file is of no format that is read, or breaks it.
 */
export function inspectWeights(path: string, options: ReadModelOptions = {}): Promise<Inspection> {
  return tidily(() => inspect(path, options));
}

async function inspect(path: string, options: ReadModelOptions): Promise<Inspection> {
  const file = await openWeights(path);
  try {
    const { format, description, bytes } = file;
    const tensors = file.tensors.map(({ name, type, shape }) => ({ name, type, shape }));
    return { path, format, description, bytes, tensors, ...networkFacts(file, options) };
  } finally {
    await file.close();
  }
}

function networkFacts(file: WeightFile, options: ReadModelOptions): Partial<Inspection> {
  return orProblem(() => {
    const { foreign, network, facts, written } = identify(file, options);
    const normalized = foreign.convolutions.some(({ norms }) => norms.length > 0);
    const known = {
      network: summary(network, normalized),
      naming: facts ? "verydeep's own names" : foreign.naming,
      ...(facts && { labels: facts.labels, provenance: facts.provenance }),
    };
    const takes = orProblem(() => {
      const preprocessing =
        written?.preprocessing ??
        (facts ? nativePreprocessing(facts.meanRgb) : preprocessingFor(file.path, foreign, network, options));
      return { preprocessing: describePreprocessing(preprocessing) };
    });
    return { ...known, ...takes };
  });
}

function orProblem(find: () => Partial<Inspection>): Partial<Inspection> {
  try {
    return find();
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
  };
}
