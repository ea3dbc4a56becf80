import { UserError } from '../core/errors.ts';
import { elementCount, formatShape, sameShape } from '../core/shape.ts';
import type { Network } from '../net/network.ts';
import { checkCounts, type ModelFacts, modelMetadata, parseModelMetadata } from './model-metadata.ts';
import {
  type NamedTensor,
  readSafetensors,
  type SafetensorsFile,
  type TensorToWrite,
  writeSafetensors,
} from './safetensors.ts';

/** A network with its weights, and what one must know to use them. */
export interface Model extends ModelFacts {
  /** Canonical names (`conv1_1.weight`, …) and layouts, exactly the network's parameters. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** Tensors that a checkpoint holds beside the model; `readModel` skips names that start so. */
export const OPTIMIZER_PREFIX = 'optimizer.';

/**
 * Writes a model, whole or not at all.
 * @param extraTensors what else the file shall hold, under names that start with `optimizer.`
 * @param extraMetadata under other keys than the model's own
 * @throws UserError when the file cannot be written.
 * @throws RangeError when tensors and network disagree.
 */
export async function writeModel(
  path: string,
  model: Model,
  extraTensors: Iterable<TensorToWrite> = [],
  extraMetadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  checkCounts(path, model);
  const unknown = [...model.tensors.keys()].find((name) => !parameterNames(model.network).has(name));
  if (unknown !== undefined) throw new RangeError(`the network has no parameter ${unknown}`);
  const tensors = model.network.parameters.map(({ name, shape }): NamedTensor => {
    const data = model.tensors.get(name);
    if (data?.length !== elementCount(shape)) {
      throw new RangeError(`${name} should have ${elementCount(shape)} values, not ${data?.length}`);
    }
    return { name, shape, data };
  });
  await writeTensors(path, model, tensors, extraTensors, extraMetadata);
}

/**
 * As `writeModel`, for weights that are elsewhere: each is fetched when its turn comes to be written.
 * @param read one tensor of the model, by name
 */
export async function writeModelPiecewise(
  path: string,
  facts: ModelFacts,
  read: (name: string) => Promise<Float32Array>,
  extraTensors: Iterable<TensorToWrite> = [],
  extraMetadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  checkCounts(path, facts);
  const tensors = facts.network.parameters.map(({ name, shape }) => ({
    name,
    shape,
    read: () => read(name),
  }));
  await writeTensors(path, facts, tensors, extraTensors, extraMetadata);
}

async function writeTensors(
  path: string,
  facts: ModelFacts,
  tensors: readonly TensorToWrite[],
  extraTensors: Iterable<TensorToWrite>,
  extraMetadata: Readonly<Record<string, string>>,
): Promise<void> {
  const extras = [...extraTensors];
  const misnamed = extras.find(({ name }) => !name.startsWith(OPTIMIZER_PREFIX));
  if (misnamed) throw new RangeError(`the extra tensor ${misnamed.name} must be named ${OPTIMIZER_PREFIX}…`);
  await writeSafetensors(path, [...tensors, ...extras], { ...extraMetadata, ...modelMetadata(facts) });
}

/** Reads a file of our own. @throws UserError as `modelFromFile` does. */
export async function readOwnModel(
  path: string,
  onProgress?: (bytesRead: number, bytesTotal: number) => void,
): Promise<Model> {
  const file = await readSafetensors(path, {
    select: (name) => !name.startsWith(OPTIMIZER_PREFIX),
    ...(onProgress && { onProgress }),
  });
  return modelFromFile(path, file);
}

/**
 * The model in a file that has been read already, its optimizer's tensors aside.
 * @throws UserError naming the file, the key or tensor, what was expected, what was found and what to do.
 */
export function modelFromFile(path: string, file: SafetensorsFile): Model {
  const facts = parseModelMetadata(path, file.metadata);
  const tensors = new Map<string, Float32Array>();
  for (const { name, shape } of facts.network.parameters) {
    const tensor = file.tensors.get(name);
    const expected = `${describe(facts.network)} takes ${formatShape(shape)}`;
    if (!tensor) {
      throw new UserError(`${path} has no tensor ${name}, and ${expected}; write the model again`);
    }
    if (!sameShape(tensor.shape, shape)) {
      throw new UserError(
        `${path}: tensor ${name} is ${formatShape(tensor.shape)}, but ${expected}; write the model again with the configuration, classes, crop and width that its weights have`,
      );
    }
    tensors.set(name, tensor.data);
  }
  checkNothingElse(path, file, facts.network);
  return { ...facts, tensors };
}

/** For messages: `network D (10 classes, crop 224, width 1)`. */
export function describe({ configuration, classes, crop, width }: Network): string {
  if (classes === 0) return `the convolutions of network ${configuration} (width ${width})`;
  return `network ${configuration} (${classes} classes, crop ${crop}, width ${width})`;
}

function checkNothingElse(path: string, file: SafetensorsFile, network: Network): void {
  const names = parameterNames(network);
  for (const name of file.tensors.keys()) {
    if (names.has(name) || name.startsWith(OPTIMIZER_PREFIX)) continue;
    throw new UserError(
      `${path} has a tensor ${name}, which ${describe(network)} has not; write the model again with the configuration that its weights have`,
    );
  }
}

function parameterNames(network: Network): ReadonlySet<string> {
  return new Set(network.parameters.map(({ name }) => name));
}
