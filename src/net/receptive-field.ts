import type { Layer } from '../core/layer.ts';

/** The part of the image that one output value depends on (section 2.3). */
export interface ReceptiveField {
  /** Side in pixels. */
  readonly side: number;
  /** Pixels between the receptive fields of neighboring output values. */
  readonly stride: number;
}

export const ONE_PIXEL: ReceptiveField = { side: 1, stride: 1 };

/**
 * The receptive field after another layer. LRN acts across channels at one position, so it changes nothing. That of
 * adaptive pooling depends on its input: with a side of 1 it is all of it.
 * @param extent the longer side of the layer's input
 */
export function growReceptiveField(
  { side, stride }: ReceptiveField,
  layer: Layer,
  extent: number,
): ReceptiveField {
  switch (layer.kind) {
    case 'convolution':
      return { side: side + (layer.kernel - 1) * stride, stride };
    case 'maxPool':
      return { side: side + stride, stride: stride * 2 };
    case 'adaptivePool': {
      const window = Math.ceil(extent / layer.side);
      return { side: side + (window - 1) * stride, stride: stride * window };
    }
    default:
      return { side, stride };
  }
}
