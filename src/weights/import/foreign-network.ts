/** A network as stored in another framework's file: layers in order, each with its learned tensors. */
import type { PoolingRounding } from '../../core/layer.ts';
import type { Shape } from '../../core/shape.ts';
import type { HeadPool } from '../../net/classifier.ts';
import type { SourceTensor } from '../tensors/source-tensor.ts';
import type { ConventionName } from './preprocessing.ts';

/**
 * The layout of a weight tensor. All are matrices of outputs by inputs, where an input is one position of the kernel
 * in one channel:
 *
 * | framework | convolution | fully connected |
 * |---|---|---|
 * | PyTorch, Caffe, ONNX Conv, Gemm with transB | outputs first, `chw` | outputs first, `chw` |
 * | Keras | outputs last, `hwc` (`[h, w, in, out]`) | outputs last, `hwc` |
 * | ONNX MatMul | | outputs last, `chw`, or `hwc` after a transposition |
 */
export interface WeightLayout {
  readonly outputsLast: boolean;
  readonly inputs: 'chw' | 'hwc';
}

export const OUTPUTS_FIRST: WeightLayout = { outputsLast: false, inputs: 'chw' };
export const KERAS_LAYOUT: WeightLayout = { outputsLast: true, inputs: 'hwc' };

/** Batch normalization after a convolution: scale · (y − mean) / √(variance + epsilon) + shift. */
export interface ForeignNorm {
  readonly name: string;
  /** Absent if it is 1. */
  readonly scale?: SourceTensor;
  /** Absent if it is 0. */
  readonly shift?: SourceTensor;
  readonly mean: SourceTensor;
  readonly variance: SourceTensor;
  /** Caffe stores sums: mean and variance must be divided by this unless it is 0. */
  readonly divisor?: SourceTensor;
  readonly epsilon: number;
}

export interface ForeignLayer {
  /** Its name in the file, for messages. */
  readonly name: string;
  readonly weight: SourceTensor;
  readonly layout: WeightLayout;
  /** Absent if batch normalization makes it superfluous, or if it is 0. */
  readonly bias?: SourceTensor;
  readonly norms: readonly ForeignNorm[];
  /** Normalizations of its inputs, after the ReLU or pooling before it. Only fully connected layers have them. */
  readonly inputNorms?: readonly ForeignNorm[];
  /** Number of its block, from 1, if the file determines it. */
  readonly block?: number;
}

export interface ForeignNetwork {
  readonly convolutions: readonly ForeignLayer[];
  /** The fully connected layers (the paper's fc6, fc7 and fc8), or empty if the file has convolutions only. */
  readonly classifier: readonly ForeignLayer[];
  /** Pooling before the classifier; undefined if the file does not determine it. */
  readonly headPool?: HeadPool | 'none';
  /** Side of its input in pixels, if the file states it. */
  readonly inputSide?: number;
  /** What the network does with pixels before its first convolution, in order (default: nothing). */
  readonly pixelSteps?: readonly PixelStep[];
  /** Whether local response normalization follows conv1_1; undefined if the file does not determine it. */
  readonly lrn?: boolean;
  readonly pooling: PoolingRounding;
  /** Display name of the naming scheme: `torchvision's names`. */
  readonly naming: string;
  /** The convention of the well-known weights under these names. */
  readonly convention?: ConventionName;
  /** What the names make it assume about the preprocessing, a warning unless the user states it. */
  readonly assumption?: string;
  /** Warnings for the user, one sentence each. */
  readonly remarks: readonly string[];
}

/** Arithmetic on an image's values: x · factor + offset, with one value for all channels or one for each, or BGR ↔ RGB. */
export type PixelStep =
  | {
      readonly kind: 'affine';
      readonly name: string;
      read(): Promise<{ factor: number[]; offset: number[] }>;
    }
  | { readonly kind: 'reverse channels'; readonly name: string };

/** Kernel side, inputs and outputs of a layer; `inputs` counts channels for a convolution, all for a matrix. */
export interface LayerSize {
  readonly kernel: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** The size that a convolution's weight implies, or undefined unless its kernel is square. */
export function convolutionSize({ weight, layout }: ForeignLayer): LayerSize | undefined {
  if (weight.shape.length !== 4) return undefined;
  const [a, b, c, d] = weight.shape as [number, number, number, number];
  const [kernel, other] = layout.outputsLast ? [a, b] : [c, d];
  if (kernel !== other) return undefined;
  return layout.outputsLast ? { kernel, inputs: c, outputs: d } : { kernel, inputs: b, outputs: a };
}

/**
 * The size that a fully connected layer's weight implies. The weight is a matrix, Caffe's old `[1, 1, out, in]`, or the
 * convolution that replaces the layer for dense evaluation.
 */
export function fullyConnectedSize(layer: ForeignLayer): LayerSize | undefined {
  const shape = withoutLeadingOnes(layer.weight.shape);
  if (shape.length !== 2) return convolutionSize(layer);
  const [first, second] = shape as [number, number];
  return layer.layout.outputsLast
    ? { kernel: 1, inputs: first, outputs: second }
    : { kernel: 1, inputs: second, outputs: first };
}

/** Caffe's first blobs always had four extents. */
function withoutLeadingOnes(shape: Shape): Shape {
  return shape.length === 4 && shape[0] === 1 && shape[1] === 1 ? shape.slice(2) : shape;
}
