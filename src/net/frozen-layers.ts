/**
 * Fine-tuning with frozen layers. The layers before the first trained one run as in inference: without dropout, without
 * keeping activations, and without a backward pass. A frozen layer after it keeps its weights, too, but passes gradients on.
 */
import { UsageError } from '../core/errors.ts';
import { type ConvolutionLayer, type Layer, outputShape, shapesAlong } from '../core/layer.ts';
import type { Shape4 } from '../core/shape.ts';
import { cropShape, type Network } from './network.ts';

const ALL_BUT = 'all-but-';

/**
 * The convolutional and fully connected layers that a selection names, in the network's order.
 * @param selection a list of layers (`conv1_1`, `fc8`), ranges (`conv1_1..conv3_3`), `features` (all convolutional layers)
 *   and `all-but-LAYER`
 * @param setting where the selection is from, for messages: `freeze`
 * @throws UsageError naming an unknown layer.
 * @example
 * selectLayers(buildNetwork({ configuration: 'A' }), 'conv1_1..conv3_1,fc6', 'freeze'); // conv1_1, conv2_1, conv3_1, fc6
 */
export function selectLayers(network: Network, selection: string, setting: string): string[] {
  const names = network.layers.filter(hasWeights).map(({ name }) => name);
  const indexOf = (name: string): number => {
    const index = names.indexOf(name);
    if (index >= 0) return index;
    throw new UsageError(
      `${setting}: network ${network.configuration} has no layer "${name}"; choose from ${names.join(', ')}, a range such as ${names[0]}..${names[1]}, features or all-but-${names.at(-1)}`,
    );
  };
  const chosen = selection.split(',').flatMap((part) => {
    const item = part.trim();
    if (item === 'features') return names.filter((name) => name.startsWith('conv'));
    if (item.startsWith(ALL_BUT)) {
      const kept = indexOf(item.slice(ALL_BUT.length));
      return names.filter((_, index) => index !== kept);
    }
    const [first, last = first, ...more] = item.split('..');
    const [from, to] = [indexOf(first!), indexOf(more.length > 0 ? item : last!)];
    if (from <= to) return names.slice(from, to + 1);
    throw new UsageError(`${setting}: the range ${item} is empty; name the earlier layer first`);
  });
  return names.filter((name) => chosen.includes(name));
}

function hasWeights(layer: Layer): layer is ConvolutionLayer {
  return layer.kind === 'convolution';
}

/**
 * The network with frozen layers. Dropout before the first trained layer belongs to the trained part.
 * @throws UsageError when no layer is left to train.
 */
export function withFrozenLayers(network: Network, frozen: readonly string[]): Network {
  const isFrozen = (layer: Layer) => !hasWeights(layer) || frozen.includes(layer.name);
  const first = network.layers.findIndex((layer) => !isFrozen(layer));
  if (first < 0) throw new UsageError('freeze names all layers; leave one to train, as in all-but-fc8');
  if (network.layers.findIndex(hasWeights) === first) return network;
  const before = network.layers.slice(0, first).findLastIndex(({ kind }) => kind !== 'dropout');
  return { ...network, frozenLayers: before + 1 };
}

/** The layers before the trained part; none unless layers are frozen. */
export function frozenPart({ layers, frozenLayers = 0 }: Network): readonly Layer[] {
  return layers.slice(0, frozenLayers);
}

/** The layers from the first trained one on, or from the dropout before it. */
export function trainedPart({ layers, frozenLayers = 0 }: Network): readonly Layer[] {
  return layers.slice(frozenLayers);
}

/** The shape of the trained part's input, for crops. */
export function trainedInputShape(network: Network, batch: number): Shape4 {
  return frozenPart(network).reduce((shape, layer) => outputShape(layer, shape), cropShape(network, batch));
}

/** The shapes of the trained part's input and of its layers' outputs, for one crop. */
export function trainedShapes(network: Network): Shape4[] {
  return shapesAlong(trainedPart(network), trainedInputShape(network, 1));
}
