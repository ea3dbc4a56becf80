/** A network as a file of another framework has it: layers in order, each with the tensors that it learned. */
import type { PoolingRounding } from '../../core/layer.ts';
import type { Shape } from '../../core/shape.ts';
import type { SourceTensor } from '../tensors/source-tensor.ts';
import type { ConventionName } from './preprocessing.ts';

/**
 * How a weight tensor lies. All are matrices of outputs by inputs, where an input is one place of the kernel
 * in one channel:
 *
 * | framework | convolution | fully connected |
 * |---|---|---|
 * | PyTorch, Caffe, ONNX Conv, Gemm with transB | outputs first, `chw` | outputs first, `chw` |
 * | Keras | outputs last, `hwc` (`[h, w, in, out]`) | outputs last, `hwc` |
 * | ONNX MatMul | | outputs last, `chw`, or `hwc` behind a transposition |
 */
export interface WeightLayout {
  readonly outputsLast: boolean;
  readonly inputs: 'chw' | 'hwc';
}

export const OUTPUTS_FIRST: WeightLayout = { outputsLast: false, inputs: 'chw' };
export const KERAS_LAYOUT: WeightLayout = { outputsLast: true, inputs: 'hwc' };

/** Batch normalisation behind a convolution: scale · (y − mean) / √(variance + epsilon) + shift. */
export interface ForeignNorm {
  readonly name: string;
  /** Absent where it is 1. */
  readonly scale?: SourceTensor;
  /** Absent where it is 0. */
  readonly shift?: SourceTensor;
  readonly mean: SourceTensor;
  readonly variance: SourceTensor;
  /** Caffe keeps sums: mean and variance are to be divided by this, where it is not 0. */
  readonly divisor?: SourceTensor;
  readonly epsilon: number;
}

export interface ForeignLayer {
  /** The file's own name for it, for messages. */
  readonly name: string;
  readonly weight: SourceTensor;
  readonly layout: WeightLayout;
  /** Absent where batch normalisation makes it superfluous, or where it is 0. */
  readonly bias?: SourceTensor;
  readonly norms: readonly ForeignNorm[];
  /** The block that it stands in, from 1, where the file says it. */
  readonly block?: number;
}

export interface ForeignNetwork {
  readonly convolutions: readonly ForeignLayer[];
  /** fc6, fc7 and fc8, or none: features only. */
  readonly classifier: readonly ForeignLayer[];
  /** Whether the file says that local response normalisation follows conv1_1; undefined where it would not. */
  readonly lrn?: boolean;
  readonly pooling: PoolingRounding;
  /** For people: `torchvision's names`. */
  readonly naming: string;
  /** The convention that the well-known weights under these names have. */
  readonly convention?: ConventionName;
  /** What a person should know of it, one sentence each. */
  readonly remarks: readonly string[];
}

/** Kernel side, inputs and outputs of a layer; `inputs` counts channels for a convolution, all for a matrix. */
export interface LayerSize {
  readonly kernel: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** The size that a convolution's weight says, or undefined where it is no square kernel. */
export function convolutionSize({ weight, layout }: ForeignLayer): LayerSize | undefined {
  if (weight.shape.length !== 4) return undefined;
  const [a, b, c, d] = weight.shape as [number, number, number, number];
  const [kernel, other] = layout.outputsLast ? [a, b] : [c, d];
  if (kernel !== other) return undefined;
  return layout.outputsLast ? { kernel, inputs: c, outputs: d } : { kernel, inputs: b, outputs: a };
}

/**
 * The size that a fully connected layer's weight says: a matrix, Caffe's old `[1, 1, out, in]`, or the
 * convolution that the layer is made into for dense evaluation.
 */
export function fullyConnectedSize(layer: ForeignLayer): LayerSize | undefined {
  const shape = withoutLeadingOnes(layer.weight.shape);
  if (shape.length !== 2) return convolutionSize(layer);
  const [first, second] = shape as [number, number];
  return layer.layout.outputsLast
    ? { kernel: 1, inputs: first, outputs: second }
    : { kernel: 1, inputs: second, outputs: first };
}

/** Caffe's first blobs had four extents always. */
function withoutLeadingOnes(shape: Shape): Shape {
  return shape.length === 4 && shape[0] === 1 && shape[1] === 1 ? shape.slice(2) : shape;
}
