import { shapesAlong } from '../core/layer.ts';
import { elementCount } from '../core/shape.ts';
import { cropShape, type Network } from '../net/network.ts';

const FLOAT_BYTES = 4;

/**
 * Bytes of activations that training keeps for one image at the crop: the input and every layer's output
 * but those computed in place (ReLU, dropout).
 */
export function activationBytes(network: Network): number {
  const shapes = shapesAlong(network.layers, cropShape(network, 1));
  const kept = shapes.filter((_, index) => {
    const kind = network.layers[index - 1]?.kind;
    return kind !== 'relu' && kind !== 'dropout';
  });
  return FLOAT_BYTES * kept.reduce((sum, shape) => sum + elementCount(shape), 0);
}

/** Bytes of gradients alive at once in a backward pass, for one image: the two largest neighbours of the chain. */
export function gradientBytes(network: Network): number {
  const sizes = shapesAlong(network.layers, cropShape(network, 1)).map(elementCount);
  return FLOAT_BYTES * sizes.slice(1).reduce((most, size, index) => Math.max(most, size + sizes[index]!), 0);
}

/** The memory that a micro-batch may take for activations and gradients. Fixed, so that results do not depend on the machine. */
const MICRO_BATCH_BYTES = 4 * 2 ** 30;

/** The largest power of two that is at most `batch` and fits the memory set aside for a micro-batch, or the whole batch. */
export function defaultMicroBatch(network: Network, batch: number): number {
  const fitting = Math.max(
    1,
    Math.floor(MICRO_BATCH_BYTES / (activationBytes(network) + gradientBytes(network))),
  );
  return fitting >= batch ? batch : 2 ** Math.floor(Math.log2(fitting));
}
