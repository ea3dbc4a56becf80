/** A model's tensors in the form that another framework's convention asks for. */

import { multiplyChannels, swapRedAndBlue } from '../import/first-convolution.ts';
import {
  type ConventionName,
  conventions,
  isNative,
  nativePreprocessing,
  type Preprocessing,
} from '../import/preprocessing.ts';
import { formatWrittenForm, WRITTEN_KEY } from '../import/written-form.ts';
import { modelMetadata } from '../model/metadata.ts';
import type { Model } from '../model/model-safetensors.ts';

export interface ExportedModel {
  readonly model: Model;
  /** The model's own arrays but for conv1_1's weight. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** What the written network takes. */
  readonly preprocessing: Preprocessing;
  /** Facts to store in the file, so that it can be read back. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The preprocessing of a convention with the model's own mean. */
export function preprocessingOf({ meanRgb }: Model, convention: ConventionName): Preprocessing {
  if (convention === 'native') return nativePreprocessing(meanRgb);
  const base = conventions[convention];
  const scaled = (value: number) => Number((value * base.scale).toPrecision(12));
  return { ...base, mean: [scaled(meanRgb[0]), scaled(meanRgb[1]), scaled(meanRgb[2])] };
}

/** Whether a convention's own mean is the model's, so that the framework's usual preprocessing fits as it is. */
export function hasUsualMean(model: Model, convention: ConventionName): boolean {
  if (convention === 'native') return true;
  const { mean } = preprocessingOf(model, convention);
  return conventions[convention].mean.every(
    (value, c) => Math.abs(value - mean[c]!) < 1e-3 * Math.max(1, value),
  );
}

/** Unfolds into conv1_1 what the convention wants outside of it. */
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
