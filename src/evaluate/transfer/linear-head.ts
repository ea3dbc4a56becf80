/** Turns a linear classifier on a layer's activations into the last layer of a network. */
import { UserError } from '../../core/errors.ts';
import { buildNetwork, fullyConnectedLayers, hasFeaturesOnly, type Network } from '../../net/network.ts';
import type { LinearClassifier } from './linear-svm.ts';

/** The layer whose activations describe an image: the last one before the class scores, fc7 in the paper. */
export function descriptorLayer(network: Network): string {
  const hidden = hasFeaturesOnly(network) ? undefined : fullyConnectedLayers(network).at(-2)?.name;
  return hidden ?? network.layers.findLast(({ kind }) => kind === 'maxPool' || kind === 'adaptivePool')!.name;
}

/**
 * The network up to `layer`, with a linear layer of `classes` after it. A map is averaged over its positions before.
 * @throws UserError when no network of ours has its last layer there.
 */
export function networkWithHead(network: Network, layer: string, classes: number): Network {
  const { configuration, crop, width, pooling, dropout, headPool, hidden } = network;
  const options = { configuration, crop, width, pooling, dropout, classes };
  const all = hasFeaturesOnly(network) ? [] : fullyConnectedLayers(network).slice(0, -1);
  const index = all.findIndex(({ name }) => name === layer);
  if (index >= 0) return buildNetwork({ ...options, headPool, hidden: hidden.slice(0, index + 1) });
  const last = network.layers.findLast(({ kind }) => kind === 'maxPool' || kind === 'adaptivePool')!.name;
  const isMean = !headPool || headPool.method === 'average';
  if (layer === last && isMean) {
    return buildNetwork({ ...options, headPool: { method: 'average', side: 1 }, hidden: [] });
  }
  const allowed = [...all.map(({ name }) => name), last].join(', ');
  throw new UserError(
    `no network file can have its class scores right after ${layer}; choose a layer of ${allowed}, or leave out --out`,
  );
}

/**
 * The last layer's weight `[classes, D, 1, 1]` and bias. The classifier's vectors have length 1, those in the network
 * have not; on average, `norm` is theirs.
 * @param factor on the scores
 */
export function headTensors(
  { weights, biases }: LinearClassifier,
  norm: number,
  factor: number,
): { weight: Float32Array; bias: Float32Array } {
  return {
    weight: Float32Array.from(weights.flatMap((row) => Array.from(row, (value) => (factor * value) / norm))),
    bias: Float32Array.from(biases, (value) => factor * value),
  };
}
