import { type Layer, parameterSpecs, shapesAlong } from '../core/layer.ts';
import { elementCount, type Shape4 } from '../core/shape.ts';
import type { Network } from './network.ts';
import { growReceptiveField, ONE_PIXEL, type ReceptiveField } from './receptive-field.ts';

/** One layer of a network, with its costs for one image. */
export interface LayerCost {
  readonly name: string;
  readonly kind: Layer['kind'];
  /** `[1, channels, height, width]` */
  readonly outputShape: Shape4;
  /** Number of learned values: weights and biases. */
  readonly parameters: number;
  /** Multiplications of a weight and an activation in one forward pass. */
  readonly multiplyAdds: number;
  readonly receptiveField: ReceptiveField;
}

/**
 * Costs of each layer for one image.
 * @param height height of the input in pixels (default: the network's crop)
 * @param width width of the input in pixels (default: `height`)
 * @throws RangeError when the input is smaller than the network allows.
 * @example
 * const layers = layerCosts(buildNetwork({ configuration: 'D' }));
 * layers.find(({ name }) => name === 'conv5_3').receptiveField; // { side: 196, stride: 16 }
 */
export function layerCosts(network: Network, height = network.crop, width = height): LayerCost[] {
  const shapes = shapesAlong(network.layers, [1, 3, height, width]);
  let field = ONE_PIXEL;
  return network.layers.map((layer, index) => {
    const [, , rows, columns] = shapes[index]!;
    field = growReceptiveField(field, layer, Math.max(rows, columns));
    const outputShape = shapes[index + 1]!;
    return {
      name: layer.name,
      kind: layer.kind,
      outputShape,
      parameters: parameterSpecs([layer]).reduce((sum, { shape }) => sum + elementCount(shape), 0),
      multiplyAdds: multiplyAdds(layer, outputShape),
      receptiveField: field,
    };
  });
}

/** Floating-point operations of direct convolution for one image at the crop; a multiply-add counts as two. */
export interface ImageFlops {
  readonly forward: number;
  /** Forward pass, gradients of the weights, and gradients of all inputs except the image. */
  readonly training: number;
}

/**
 * The weight gradients cost as much as the forward pass, and so do the input gradients, except in the first trained layer,
 * whose input needs none. Frozen layers before it run forward only.
 */
export function imageFlops(network: Network): ImageFlops {
  const forward = forwardFlops(network);
  const backward = layerCosts(network)
    .slice(network.frozenLayers ?? 0)
    .map(({ multiplyAdds }) => 2 * multiplyAdds);
  const first = backward.find((flops) => flops > 0)!;
  return { forward, training: forward + 2 * backward.reduce((sum, flops) => sum + flops, 0) - first };
}

/** Floating-point operations of one forward pass over an input of `height`×`width` (default: the crop). */
export function forwardFlops(network: Network, height = network.crop, width = height): number {
  return 2 * layerCosts(network, height, width).reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
}

function multiplyAdds(layer: Layer, outputShape: Shape4): number {
  return layer.kind === 'convolution' ? elementCount(outputShape) * layer.inChannels * layer.kernel ** 2 : 0;
}
