/**
 * The layers that networks are made of and backends execute: a chain, each layer from one `[N, C, H, W]` tensor to the
 * next. Nothing here knows which chains are VGG networks, or how to run one.
 */
import { elementCount, type Shape, type Shape4 } from './shape.ts';

/** Cross-correlation with a square kernel, stride 1, plus bias. */
export interface ConvolutionLayer {
  readonly kind: 'convolution';
  readonly name: string;
  readonly kernel: number;
  /** Zeros added on each side. */
  readonly padding: number;
  readonly inChannels: number;
  readonly outChannels: number;
}

/** max(x, 0) */
export interface ReluLayer {
  readonly kind: 'relu';
  readonly name: string;
}

/**
 * What happens to the last row or column when the height or width is odd: it is dropped (`floor`: PyTorch, Keras) or
 * pooled alone (`ceil`: Caffe).
 */
export type PoolingRounding = 'floor' | 'ceil';

/** 2×2 max pooling, stride 2. The first of equal values (row-major) receives the gradient. */
export interface MaxPoolLayer {
  readonly kind: 'maxPool';
  readonly name: string;
  readonly rounding: PoolingRounding;
}

/**
 * Adaptive pooling of a whole map to `side` × `side` values, whatever its size: row v pools the rows from ⌊v · H / side⌋ to
 * ⌈(v + 1) · H / side⌉ − 1, and columns likewise. With a side of 1 it is global pooling. If the map already has this
 * size, it is the identity. Of equal maxima, the first (row-major) receives the gradient.
 */
export interface AdaptivePoolLayer {
  readonly kind: 'adaptivePool';
  readonly name: string;
  readonly method: 'average' | 'max';
  /** `max` only has a side of 1. */
  readonly side: number;
}

/**
 * Local response normalization across channels: y_c = x_c / (k + alpha · Σ x_j²)^beta over the `size`
 * channels around c. alpha is not divided by size (Krizhevsky et al. 2012, section 3.3).
 */
export interface LrnLayer {
  readonly kind: 'lrn';
  readonly name: string;
  readonly size: number;
  readonly k: number;
  readonly alpha: number;
  readonly beta: number;
}

/** In training, sets each value to 0 with probability `rate` and divides the others by 1 − rate; otherwise the identity. */
export interface DropoutLayer {
  readonly kind: 'dropout';
  readonly name: string;
  readonly rate: number;
}

export type Layer = ConvolutionLayer | ReluLayer | MaxPoolLayer | AdaptivePoolLayer | LrnLayer | DropoutLayer;

/** A learned tensor: `conv1_1.weight [out, in, k, k]` or `conv1_1.bias [out]`. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly role: 'weight' | 'bias';
}

/** The learned tensors of a chain, in order: each convolution's weight, then its bias. */
export function parameterSpecs(layers: readonly Layer[]): ParameterSpec[] {
  return layers.flatMap((layer): ParameterSpec[] =>
    layer.kind === 'convolution'
      ? [
          {
            name: `${layer.name}.weight`,
            shape: [layer.outChannels, layer.inChannels, layer.kernel, layer.kernel],
            role: 'weight',
          },
          { name: `${layer.name}.bias`, shape: [layer.outChannels], role: 'bias' },
        ]
      : [],
  );
}

/** Number of values in tensors. */
export function valuesIn(specs: readonly ParameterSpec[]): number {
  return specs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/**
 * The shape of a layer's output.
 * @throws RangeError when the input has another number of channels than the layer, or is smaller than its kernel.
 */
export function outputShape(layer: Layer, input: Shape4): Shape4 {
  const [batch, channels, height, width] = input;
  switch (layer.kind) {
    case 'convolution': {
      if (channels !== layer.inChannels) {
        throw new RangeError(
          `${layer.name} takes ${layer.inChannels} channels, but its input has ${channels}`,
        );
      }
      const grow = 2 * layer.padding - layer.kernel + 1;
      return checked(layer, input, [batch, layer.outChannels, height + grow, width + grow]);
    }
    case 'maxPool': {
      const halve = layer.rounding === 'floor' ? Math.floor : Math.ceil;
      return checked(layer, input, [batch, channels, halve(height / 2), halve(width / 2)]);
    }
    case 'adaptivePool':
      return [batch, channels, layer.side, layer.side];
    default:
      return input;
  }
}

/** The rows (or columns) from `begin` to before `end` that adaptive pooling pools into one, for each of `side`. */
export function adaptiveWindows(extent: number, side: number): { begin: number; end: number }[] {
  return Array.from({ length: side }, (_, v) => ({
    begin: Math.floor((v * extent) / side),
    end: Math.ceil(((v + 1) * extent) / side),
  }));
}

function checked(layer: Layer, input: Shape4, output: Shape4): Shape4 {
  if (output[2] < 1 || output[3] < 1) {
    throw new RangeError(`an input of ${input[2]}×${input[3]} is too small for ${layer.name}`);
  }
  return output;
}

/** The shape of the input and of each layer's output. */
export function shapesAlong(layers: readonly Layer[], input: Shape4): Shape4[] {
  const shapes = [input];
  for (const layer of layers) shapes.push(outputShape(layer, shapes.at(-1)!));
  return shapes;
}
