import { type Layer, shapesAlong } from '../core/layer.ts';
import { elementCount, type Shape4 } from '../core/shape.ts';
import { trainedPart, trainedShapes } from '../net/frozen-layers.ts';
import { cropShape, type Network } from '../net/network.ts';

const FLOAT_BYTES = 4;

/**
 * Bytes of activations that training keeps for one image at the crop size: the input and the output of every layer that
 * is not computed in place (as ReLU and dropout are). Frozen layers before the trained part keep none.
 */
export function activationBytes(network: Network): number {
  const layers = trainedPart(network);
  const kept = trainedShapes(network).filter((_, index) => {
    const kind = layers[index - 1]?.kind;
    return kind !== 'relu' && kind !== 'dropout';
  });
  return FLOAT_BYTES * kept.reduce((sum, shape) => sum + elementCount(shape), 0);
}

/** Bytes of one image's gradients that a backward pass needs at a time. */
export function gradientBytes(network: Network): number {
  return largestLayerBytes(network.layers, cropShape(network, 1));
}

/**
 * The most bytes that a layer's input and output take together. It estimates both the activations of inference and the
 * gradients of a backward pass, since each needs only two neighboring layers at a time.
 */
export function largestLayerBytes(layers: readonly Layer[], inputShape: Shape4): number {
  const sizes = shapesAlong(layers, inputShape).map(elementCount);
  return FLOAT_BYTES * sizes.slice(1).reduce((most, size, index) => Math.max(most, size + sizes[index]!), 0);
}

/** Memory for a micro-batch's activations and gradients on each device. Fixed, so that results do not depend on the machine. */
const MICRO_BATCH_BYTES = 4 * 2 ** 30;

/** The devices that share a micro-batch, as a backend describes them. */
export interface Devices {
  /** Their number (default: 1). */
  readonly devices?: number;
  /** The largest tensor that one of them can hold, in bytes (default: no limit). */
  readonly largestTensor?: number;
}

/**
 * The whole batch if it fits in the memory for a micro-batch and no layer is too large for a device's buffer, otherwise
 * the largest power of two for each device that does.
 */
export function defaultMicroBatch(
  network: Network,
  batch: number,
  { devices = 1, largestTensor = Number.POSITIVE_INFINITY }: Devices = {},
): number {
  const inMemory = MICRO_BATCH_BYTES / (activationBytes(network) + gradientBytes(network));
  const fitting = Math.max(1, Math.floor(Math.min(inMemory, largestTensor / largestOutputBytes(network))));
  return devices * fitting >= batch ? batch : devices * 2 ** Math.floor(Math.log2(fitting));
}

/** Bytes of one image's largest layer, whose channels a GPU pads to vectors of four. */
function largestOutputBytes(network: Network): number {
  const sizes = trainedShapes(network).map(
    ([, channels, height, width]) => Math.ceil(channels / 4) * height * width,
  );
  return 4 * FLOAT_BYTES * Math.max(...sizes);
}
