import { numbersByName } from '../../core/class-names.ts';
import { UsageError, UserError } from '../../core/errors.ts';
import { formatShape, type Shape, sameShape } from '../../core/shape.ts';
import { formatHeadPool, formatHidden } from '../../net/classifier.ts';
import {
  featureConvolutions,
  fullyConnectedLayers,
  hasFeaturesOnly,
  type Network,
} from '../../net/network.ts';
import { describe, type Model } from './model.ts';

/** The parameters that a network takes from a trained model. */
export interface Transfer {
  /** The model's own arrays, under the network's names. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** Names of the parameters taken, in the network's order. */
  readonly kept: readonly string[];
  /** Names of the parameters not taken, which the caller must initialize. */
  readonly replaced: readonly string[];
}

/**
 * Takes all layers of a model, to continue training (section 3.1: S = 384 starts from 256; jittered nets from 384).
 * If the classes differ, or one of the two predicts boxes, fc8 is left to the caller; if the model has convolutions only, the classifier is.
 * @param classes of the network, in label order; those of the model are matched by name
 * @throws UserError naming the first tensor whose shape differs for another reason, with both shapes.
 */
export function transferAll(model: Model, network: Network, classes: readonly string[]): Transfer {
  const sameKind = model.network.boxes === network.boxes;
  const numbers = sameKind ? numbersInModel(model, classes) : undefined;
  const from = numbers && network.boxes !== 'single' ? withClassOrder(model, numbers) : model;
  checkHeadPool(from.network, network);
  const left = hasFeaturesOnly(from.network) ? 'fc' : numbers ? undefined : `${lastLayer(network)}.`;
  const wanted = network.parameters.filter(({ name }) => left === undefined || !name.startsWith(left));
  const names = new Set(network.parameters.map(({ name }) => name));
  const surplus = from.network.parameters.find(({ name }) => !names.has(name));
  if (surplus) {
    throw mismatch(from, network, surplus.name, undefined, surplus.shape);
  }
  return take(from, network, new Set(wanted.map(({ name }) => name)));
}

/** Pooling changes no shape, so that weights trained after one would fit without it. @throws UserError */
function checkHeadPool({ headPool, ...from }: Network, network: Network): void {
  if (!headPool || formatHeadPool(headPool) === formatHeadPool(network.headPool)) return;
  throw new UserError(
    `the model, ${describe({ headPool, ...from })}, pools before its classifier, but the new network does not do the same; train with --head-pool ${formatHeadPool(headPool)} --hidden ${formatHidden(from.hidden)}, or take only its convolutions with --from-features-only`,
  );
}

/** How many convolutional layers the paper takes from its net A. */
const SHALLOW_CONVOLUTIONS = 4;

/**
 * Section 3.1: "we initialised the first four convolutional layers and the last three fully-connected layers
 * with the layers of net A". The first four convolutions of A are conv1_1 (3 → 64 channels), conv2_1
 * (64 → 128), conv3_1 (128 → 256) and conv3_2 (256 → 256). The first four of B by order are conv1_1,
 * conv1_2, conv2_1 and conv2_2, of which the second (64 → 64) fits none of A's. So "the first four" are read
 * as A's own, and each goes to the layer of the same name (the same place in the same block), whose shape
 * fits in B, C, D and E; fc6, fc7 and fc8 likewise. If the classes differ, fc8 is left to the caller.
 * @param classes of the network, in label order; those of the model are matched by name
 * @throws UsageError when the network is not deeper than the model.
 * @throws UserError naming the first of those tensors whose shape differs.
 */
export function transferFromShallower(model: Model, network: Network, classes: readonly string[]): Transfer {
  const numbers = numbersInModel(model, classes);
  const from = numbers ? withClassOrder(model, numbers) : model;
  if (from.network.weightLayers >= network.weightLayers) {
    throw new UsageError(
      `network ${network.configuration} (${network.weightLayers} weight layers) is not deeper than the model's ${from.network.configuration} (${from.network.weightLayers}); to take all layers, use --from`,
    );
  }
  const layers = featureConvolutions(from.network)
    .slice(0, SHALLOW_CONVOLUTIONS)
    .map(({ name }) => name);
  const classifier = fullyConnectedLayers(network).map(({ name }) => name);
  layers.push(...(numbers ? classifier : classifier.slice(0, -1)));
  return take(from, network, new Set(layers.flatMap((layer) => [`${layer}.weight`, `${layer}.bias`])));
}

function lastLayer({ parameters }: Network): string {
  return parameters.at(-1)!.name.replace(/\.bias$/, '');
}

/** The model's number of each class, or undefined if it has other classes. */
function numbersInModel(model: Model, classes: readonly string[]): number[] | undefined {
  const known = numbersByName(model.classes);
  const numbers = classes.map((name) => known.get(name.normalize('NFC')));
  const areSame = classes.length === model.classes.length && !numbers.includes(undefined);
  return areSame ? (numbers as number[]) : undefined;
}

/** @param numbers the model's number of each class in the new order */
function withClassOrder(model: Model, numbers: readonly number[]): Model {
  if (numbers.every((number, i) => number === i)) return model;
  const layer = lastLayer(model.network);
  const tensors = new Map(model.tensors);
  for (const name of [`${layer}.weight`, `${layer}.bias`]) {
    const from = tensors.get(name)!;
    const length = from.length / numbers.length;
    const to = new Float32Array(from.length);
    for (const [i, number] of numbers.entries()) {
      to.set(from.subarray(number * length, (number + 1) * length), i * length);
    }
    tensors.set(name, to);
  }
  return { ...model, tensors };
}

function take(from: Model, network: Network, wanted: ReadonlySet<string>): Transfer {
  const tensors = new Map<string, Float32Array>();
  const shapes = new Map(from.network.parameters.map(({ name, shape }) => [name, shape]));
  for (const { name, shape } of network.parameters) {
    if (!wanted.has(name)) continue;
    const found = shapes.get(name);
    if (!found || !sameShape(found, shape)) throw mismatch(from, network, name, shape, found);
    tensors.set(name, from.tensors.get(name)!);
  }
  const names = network.parameters.map(({ name }) => name);
  return {
    tensors,
    kept: names.filter((name) => tensors.has(name)),
    replaced: names.filter((name) => !tensors.has(name)),
  };
}

function mismatch(
  from: Model,
  network: Network,
  tensor: string,
  expected: Shape | undefined,
  found: Shape | undefined,
): UserError {
  const format = (shape: Shape | undefined) => (shape ? formatShape(shape) : 'no such tensor');
  const { crop, width, hidden } = from.network;
  const sameHead = hidden.join() === network.hidden.join();
  const sameSize = crop === network.crop && width === network.width && sameHead;
  const head = sameHead ? '' : ` --hidden ${formatHidden(hidden)}`;
  const asTheModel = `train with --crop ${crop} --width ${width}${head}, as the model was`;
  const remedy = sameSize
    ? 'take all layers within one configuration only; to start a deeper network from A, use --from-shallower'
    : from.network.width === network.width
      ? `${asTheModel}, or take only its convolutions with --from-features-only`
      : asTheModel;
  return new UserError(
    `${tensor}: ${describe(network)} expects ${format(expected)}, but the model, ${describe(from.network)}, has ${format(found)}; ${remedy}`,
  );
}
