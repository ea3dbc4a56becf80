/** A model: a network with its weights, and its form as a safetensors file. */
import { UserError } from '../../core/errors.ts';
import { elementCount, formatShape, type Shape, sameShape } from '../../core/shape.ts';
import { describeHead, type Network } from '../../net/network.ts';
import {
  type SafetensorsPieces,
  safetensorsPieces,
  type TensorToWrite,
} from '../formats/safetensors/writer.ts';
import { checkCounts, type ModelFacts, modelMetadata } from './metadata.ts';

/** A network with its weights and the facts needed to use them. */
export interface Model extends ModelFacts {
  /** Exactly the network's parameters, under canonical names (`conv1_1.weight`, …) and in canonical layouts. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** Prefix of the tensors that a checkpoint holds besides the model; `readModel` skips them. */
export const OPTIMIZER_PREFIX = 'optimizer.';

/** What a file holds besides a model. */
interface Extras {
  /** Under names that start with `optimizer.` */
  readonly tensors?: Iterable<TensorToWrite>;
  /** Under other keys than the model's own. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Produces a model's file piece by piece.
 * @param path the file's name in messages
 * @param tensors the network's, in any order
 * @throws RangeError when tensors and network disagree.
 */
export function modelPieces(
  path: string,
  facts: ModelFacts,
  tensors: readonly TensorToWrite[],
  { tensors: extraTensors = [], metadata = {} }: Extras = {},
): SafetensorsPieces {
  checkCounts(path, facts);
  const extras = [...extraTensors];
  const misnamed = extras.find(({ name }) => !name.startsWith(OPTIMIZER_PREFIX));
  if (misnamed) throw new RangeError(`the extra tensor ${misnamed.name} must be named ${OPTIMIZER_PREFIX}…`);
  return safetensorsPieces(path, [...tensors, ...extras], { ...metadata, ...modelMetadata(facts) });
}

/** Describes a network's tensors, each fetched just before it is written. */
export function deferredTensors(
  { parameters }: Network,
  read: (name: string) => Promise<Float32Array>,
): TensorToWrite[] {
  return parameters.map(({ name, shape }) => ({ name, shape, read: () => read(name) }));
}

/** @throws RangeError unless the model has exactly the network's tensors. */
export function tensorsToWrite({ network, tensors }: Model): TensorToWrite[] {
  const known = parameterNames(network);
  const unknown = [...tensors.keys()].find((name) => !known.has(name));
  if (unknown !== undefined) throw new RangeError(`the network has no parameter ${unknown}`);
  return network.parameters.map(({ name, shape }) => {
    const data = tensors.get(name);
    if (data?.length !== elementCount(shape)) {
      throw new RangeError(`${name} should have ${elementCount(shape)} values, not ${data?.length}`);
    }
    return { name, shape, data };
  });
}

/**
 * Compares a file's tensors, except the optimizer's, with its network's.
 * @throws UserError naming the file, the tensor, the expected and the found shape, and the remedy.
 */
export function checkTensors(
  path: string,
  network: Network,
  found: ReadonlyMap<string, { readonly shape: Shape }>,
): void {
  for (const { name, shape } of network.parameters) {
    const tensor = found.get(name);
    const expected = `${describe(network)} expects ${formatShape(shape)}`;
    if (!tensor) {
      throw new UserError(`${path} has no tensor ${name}, and ${expected}; write the model again`);
    }
    if (!sameShape(tensor.shape, shape)) {
      throw new UserError(
        `${path}: tensor ${name} is ${formatShape(tensor.shape)}, but ${expected}; write the model again with the configuration, classes, crop and width of its weights`,
      );
    }
  }
  const names = parameterNames(network);
  for (const name of found.keys()) {
    if (names.has(name) || name.startsWith(OPTIMIZER_PREFIX)) continue;
    throw new UserError(
      `${path} has a tensor ${name}, which ${describe(network)} does not have; write the model again with the configuration of its weights`,
    );
  }
}

/** For messages: `network D (10 classes, crop 224, width 1)`. */
export function describe(network: Network): string {
  const { configuration, classes, crop, width } = network;
  if (classes === 0) return `the convolutions of network ${configuration} (width ${width})`;
  const head = describeHead(network);
  return `network ${configuration} (${classes} classes, crop ${crop}, width ${width}${head ? `, ${head}` : ''})`;
}

function parameterNames(network: Network): ReadonlySet<string> {
  return new Set(network.parameters.map(({ name }) => name));
}
