/** A network's activations as features: the layers that can be chosen, and pooling over positions. */
import { UsageError } from '../../core/errors.ts';
import type { Layer } from '../../core/layer.ts';
import type { Shape4 } from '../../core/shape.ts';
import type { Network } from '../../net/network.ts';

/** Pooling over the positions of a map: none, or the mean or maximum of each channel. */
export type PositionPooling = 'none' | 'mean' | 'max';

/** The layers that can be chosen by name. */
export function featureLayerNames(network: Network): string[] {
  return network.layers
    .filter(({ kind }) => kind === 'convolution' || kind === 'maxPool' || kind === 'adaptivePool')
    .map(({ name }) => name);
}

/**
 * The layers up to a named one, including its ReLU: Caffe's ReLU works in place, so `fc7` conventionally
 * means the output of its ReLU.
 * @param path name of the model in messages
 * @throws UsageError listing the layers that can be chosen.
 */
export function layersUpTo(path: string, network: Network, wanted: string): Layer[] {
  const index = network.layers.findIndex(({ name }) => name === wanted);
  if (index < 0 || !featureLayerNames(network).includes(wanted)) {
    throw new UsageError(
      `${path} has no layer ${wanted}; choose one of ${featureLayerNames(network).join(', ')}`,
    );
  }
  const end = network.layers[index + 1]?.kind === 'relu' ? index + 2 : index + 1;
  return network.layers.slice(0, end).filter(({ kind }) => kind !== 'dropout');
}

/**
 * @param values `[C, H, W]`
 * @returns `[C, H, W]`, or `[C]` if pooled or if the map has one position
 */
export function poolPositions(
  values: Float32Array,
  [, channels, height, width]: Shape4,
  pool: PositionPooling = 'none',
): { shape: number[]; values: Float32Array } {
  const area = height * width;
  if (area === 1) return { shape: [channels], values };
  if (pool === 'none') return { shape: [channels, height, width], values };
  const result = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const map = values.subarray(c * area, (c + 1) * area);
    result[c] = pool === 'max' ? map.reduce((a, b) => Math.max(a, b)) : map.reduce((a, b) => a + b, 0) / area;
  }
  return { shape: [channels], values: result };
}
