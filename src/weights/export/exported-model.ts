/** Converts a model to another framework's convention; shared by the writers of all formats. */
import { UsageError } from '../../core/errors.ts';
import type { ConvolutionLayer } from '../../core/layer.ts';
import type { Network } from '../../net/network.ts';
import {
  type ConventionName,
  conventions,
  isNative,
  multiplyChannels,
  nativePreprocessing,
  type Preprocessing,
  swapRedAndBlue,
} from '../import/preprocessing.ts';
import { formatWrittenForm, WRITTEN_KEY } from '../import/written-form.ts';
import { modelMetadata } from '../model/metadata.ts';
import type { Model } from '../model/model.ts';

export interface WriteOptions {
  /** The preprocessing that the written network expects (default: the format's usual convention). */
  readonly convention?: ConventionName;
  /** ONNX only: takes images of any size and returns a map of scores (default false: images of the crop's size). */
  readonly fullyConvolutional?: boolean;
}

export interface ExportedModel {
  readonly model: Model;
  /** The model's own arrays, except conv1_1's weight. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** What the written network expects. */
  readonly preprocessing: Preprocessing;
  /** Facts to store in the file, so that it can be read back. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The preprocessing of a convention with the model's own mean. */
function preprocessingOf({ meanRgb }: Model, convention: ConventionName): Preprocessing {
  if (convention === 'native') return nativePreprocessing(meanRgb);
  const base = conventions[convention];
  const scaled = (value: number) => Number((value * base.scale).toPrecision(12));
  return { ...base, mean: [scaled(meanRgb[0]), scaled(meanRgb[1]), scaled(meanRgb[2])] };
}

/** Whether the model's mean is the convention's, so that the framework's usual preprocessing applies unchanged. */
export function hasUsualMean(model: Model, convention: ConventionName): boolean {
  if (convention === 'native') return true;
  const { mean } = preprocessingOf(model, convention);
  return conventions[convention].mean.every(
    (value, c) => Math.abs(value - mean[c]!) < 1e-3 * Math.max(1, value),
  );
}

/** Compensates in conv1_1's weights for the convention's preprocessing. */
export function exportModel(model: Model, convention: ConventionName): ExportedModel {
  const preprocessing = preprocessingOf(model, convention);
  const before = model.tensors.get('conv1_1.weight')!;
  const tensors = new Map(model.tensors);
  let multiplied: Float32Array | undefined;
  if (!isNative(preprocessing)) {
    const weight = before.slice();
    const outputs = model.tensors.get('conv1_1.bias')!.length;
    if (multiplyChannels(weight, outputs, preprocessing, 'divide')) multiplied = weight.slice();
    if (preprocessing.channelOrder === 'bgr') swapRedAndBlue(weight, outputs);
    tensors.set('conv1_1.weight', weight);
  }
  return {
    model,
    tensors,
    preprocessing,
    metadata: {
      ...modelMetadata(model),
      [WRITTEN_KEY]: formatWrittenForm(preprocessing, before, multiplied),
    },
  };
}

export function isFullyConnected({ name }: ConvolutionLayer): boolean {
  return name.startsWith('fc');
}

/** @throws UsageError for a pooling before the classifier that is not global. */
export function checkGlobal({ headPool }: Network, owner: string): void {
  if (!headPool || headPool.side === 1) return;
  throw new UsageError(
    `${owner} no pooling to ${headPool.side}×${headPool.side} whatever the size of the map; write .safetensors or .pth`,
  );
}

/** The convolutions and fully connected layers, in order. */
export function weightLayers(network: Network): ConvolutionLayer[] {
  return network.layers.filter((layer): layer is ConvolutionLayer => layer.kind === 'convolution');
}

/** `[out, in · k · k]`: a fully connected layer's weight as a matrix. */
function matrixShape({ outChannels, inChannels, kernel }: ConvolutionLayer): [number, number] {
  return [outChannels, inChannels * kernel ** 2];
}

/** The layer's weight and bias as frameworks store them: the weight is a matrix if the layer is fully connected. */
export function weightAndBias(layer: ConvolutionLayer, tensors: ExportedModel['tensors'], asMatrix: boolean) {
  const { name, outChannels, inChannels, kernel } = layer;
  return {
    weight: {
      shape: asMatrix ? matrixShape(layer) : [outChannels, inChannels, kernel, kernel],
      data: tensors.get(`${name}.weight`)!,
    },
    bias: { shape: [outChannels], data: tensors.get(`${name}.bias`)! },
  };
}
