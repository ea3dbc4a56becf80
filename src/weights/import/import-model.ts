/** Turns an open file of any format into a model: identified, read, permuted, folded. */
import { basename } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { version } from '../../core/project.ts';
import { type Network, parameterCount } from '../../net/network.ts';
import type { WeightFile } from '../formats/formats.ts';
import { type ClassNames, developmentKitOrder } from '../labels/class-names.ts';
import type { Model } from '../model/model.ts';
import type { ForeignLayer, ForeignNetwork } from './foreign-network.ts';
import { type Identified, identify, preprocessingOf } from './identify.ts';
import type { ImportOptions } from './import-options.ts';
import { type ImportReport, reportOf } from './import-report.ts';
import { meanRgbOf, multiplyChannels, type Preprocessing, swapRedAndBlue } from './preprocessing.ts';
import { compose, type OnBytes, readNorm, readVector, readWeight, scaleOutputs } from './read-layer.ts';
import { statedClassNames } from './stated-facts.ts';
import { exactBefore, type WrittenForm } from './written-form.ts';

/** Reads the model in a file. @throws UserError as `identify` does, or naming a tensor that cannot be used. */
export async function importModel(
  file: WeightFile,
  options: ImportOptions = {},
): Promise<{ readonly model: Model; readonly report: ImportReport }> {
  const identified = identify(file, options);
  const { foreign, network, facts, written } = identified;
  const preprocessing = preprocessingOf(file.path, identified, options);
  const names = namesOf(file, identified, options);
  const tensors = await readAll(file.path, foreign, network, options);
  foldPreprocessing(tensors, preprocessing, written);
  if (options.classOrder === 'devkit') reorderClasses(tensors, developmentKitOrder(network.classes));
  const report = reportOf(file, identified, preprocessing, options);
  const model: Model = {
    provenance: provenanceOf(file, report),
    ...facts,
    network,
    ...names,
    meanRgb: facts?.meanRgb ?? meanRgbOf(preprocessing),
    tensors,
  };
  return { model, report };
}

function namesOf(
  file: WeightFile,
  { facts, network }: Identified,
  { classNames, classOrder }: ImportOptions,
): ClassNames {
  if (!classNames) return facts ?? statedClassNames(file, network.classes);
  if (network.classes !== classNames.classes.length) {
    throw new UserError(
      `the classes file names ${classNames.classes.length} classes, but the network has ${network.classes}; name every class, in the order of the outputs`,
    );
  }
  if (classOrder !== 'devkit') return classNames;
  const order = developmentKitOrder(network.classes);
  return {
    classes: order.map((place) => classNames.classes[place]!),
    labels: order.map((place) => classNames.labels[place]!),
  };
}

async function readAll(
  path: string,
  foreign: ForeignNetwork,
  network: Network,
  { onProgress, placesFor }: ImportOptions,
): Promise<Map<string, Float32Array>> {
  const total = 4 * parameterCount(network);
  let done = 0;
  const onBytes: OnBytes = (bytes) => {
    done += bytes;
    onProgress?.(done, total);
  };
  const tensors = new Map<string, Float32Array>();
  const layers = [...foreign.convolutions, ...foreign.classifier];
  const placeOf = placesFor?.(network);
  for (const [index, layer] of layers.entries()) {
    const spec = network.parameters[2 * index]!;
    const outputs = spec.shape[0]!;
    const weight = await readWeight(path, layer, spec, onBytes, placeOf?.(spec.name));
    const bias = layer.bias ? await readVector(path, layer.bias, outputs) : new Float32Array(outputs);
    onBytes(bias.byteLength);
    await foldNorms(path, layer, weight, bias);
    tensors.set(spec.name, weight);
    tensors.set(network.parameters[2 * index + 1]!.name, bias);
  }
  return tensors;
}

async function foldNorms(
  path: string,
  { norms }: ForeignLayer,
  weight: Float32Array,
  bias: Float32Array,
): Promise<void> {
  const [first, ...rest] = norms;
  if (!first) return;
  let affine = await readNorm(path, first, bias.length);
  for (const norm of rest) affine = compose(affine, await readNorm(path, norm, bias.length));
  scaleOutputs(weight, bias, affine);
}

function foldPreprocessing(
  tensors: Map<string, Float32Array>,
  preprocessing: Preprocessing,
  written: WrittenForm | undefined,
): void {
  const weight = tensors.get('conv1_1.weight')!;
  const outputs = tensors.get('conv1_1.bias')!.length;
  if (preprocessing.channelOrder === 'bgr') swapRedAndBlue(weight, outputs);
  const exact = written && exactBefore(written, weight);
  if (exact) tensors.set('conv1_1.weight', exact);
  else multiplyChannels(weight, outputs, preprocessing, 'multiply');
}

/** Reorders fc8's outputs: class c of the result is class `order[c]` of the file. */
function reorderClasses(tensors: Map<string, Float32Array>, order: readonly number[]): void {
  for (const name of ['fc8.weight', 'fc8.bias']) {
    const from = tensors.get(name)!;
    const length = from.length / order.length;
    const to = new Float32Array(from.length);
    for (const [c, place] of order.entries()) {
      to.set(from.subarray(place * length, (place + 1) * length), c * length);
    }
    tensors.set(name, to);
  }
}

function provenanceOf(file: WeightFile, { description, naming, preprocessing, folded }: ImportReport) {
  return {
    createdBy: `verydeep ${version}`,
    source: basename(file.path),
    sourceFormat: `${description}, ${naming}`,
    sourcePreprocessing: preprocessing,
    ...(folded.length > 0 && { folded: folded.join('; ') }),
  };
}
