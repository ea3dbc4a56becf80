/** Turns an open file of any format into a model: identified, read, permuted, folded. */
import { UserError } from '../../core/errors.ts';
import { version } from '../../core/project.ts';
import { elementCount, type Shape } from '../../core/shape.ts';
import { type Network, parameterCount } from '../../net/network.ts';
import type { WeightFile } from '../formats/readers.ts';
import { type ClassNames, developmentKitOrder } from '../labels/class-names.ts';
import type { Model } from '../model/model.ts';
import type { ForeignLayer, ForeignNetwork } from './foreign-network.ts';
import { type Identified, identify, preprocessingOf } from './identify.ts';
import { type ImportOptions, ownPreprocessing, publishedFacts } from './import-options.ts';
import { type ImportReport, reportOf } from './import-report.ts';
import { meanRgbOf, multiplyChannels, type Preprocessing, swapRedAndBlue } from './preprocessing.ts';
import {
  inputOrder,
  type OnBytes,
  readNorms,
  readVector,
  readWeight,
  scaleInputs,
  scaleOutputs,
} from './read-layer.ts';
import { statedClassNames } from './stated-facts.ts';
import { exactBefore, type WrittenForm } from './written-form.ts';

/** Reads the model in a file. @throws UserError as `identify` does, or naming a tensor that cannot be used. */
export async function importModel(
  file: WeightFile,
  options: ImportOptions = {},
): Promise<{ readonly model: Model; readonly report: ImportReport }> {
  const identified = identify(file, options);
  const { foreign, network, facts, trainScale } = identified;
  const preprocessing = await preprocessingOf(file.path, identified, options);
  const isReplaced = facts !== undefined && ownPreprocessing(facts, options) !== undefined;
  const names = namesOf(file, identified, options);
  const tensors = await readAll(file.path, foreign, network, options);
  foldPreprocessing(tensors, preprocessing, isReplaced ? undefined : identified.written);
  if (options.classOrder === 'devkit') reorderClasses(tensors, network);
  const report = reportOf(file, identified, preprocessing, options);
  const model: Model = {
    provenance: provenanceOf(file, report),
    ...publishedFacts(foreign, network, options),
    ...(trainScale && { trainScale }),
    ...facts,
    network,
    ...names,
    meanRgb: facts && !isReplaced ? facts.meanRgb : meanRgbOf(preprocessing),
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
  checkNames(classNames, network);
  if (classOrder !== 'devkit') return classNames;
  const order = developmentKitOrder(network.classes);
  return {
    classes: order.map((place) => classNames.classes[place]!),
    labels: order.map((place) => classNames.labels[place]!),
  };
}

/** @throws UserError unless there is a name for each class. */
export function checkNames({ classes: names }: ClassNames, { classes }: Network): void {
  if (classes === names.length) return;
  throw new UserError(
    `the classes file names ${names.length} classes, but the network has ${classes}; name every class, in the order of the outputs`,
  );
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
    await foldInputNorms(path, layer, spec.shape, weight, bias);
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
  if (norms.length > 0) scaleOutputs(weight, bias, await readNorms(path, norms, bias.length));
}

/** Folds normalizations of the inputs, of which there is one per channel or, after flattening, one per input. */
async function foldInputNorms(
  path: string,
  { inputNorms = [], layout }: ForeignLayer,
  shape: Shape,
  weight: Float32Array,
  bias: Float32Array,
): Promise<void> {
  if (inputNorms.length === 0) return;
  const inputs = weight.length / bias.length;
  const channels = shape[1]!;
  const perInput = elementCount(inputNorms[0]!.mean.shape) === inputs;
  const affine = await readNorms(path, inputNorms, perInput ? inputs : channels);
  const sources = Uint32Array.from({ length: inputs }, (_, place) => Math.floor((place * channels) / inputs));
  if (perInput)
    for (const [input, place] of inputOrder(layout, shape.slice(1)).entries()) sources[place] = input;
  scaleInputs(weight, bias, affine, sources);
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

/** Reorders the outputs of the last layer from the development kit's order. */
function reorderClasses(tensors: Map<string, Float32Array>, network: Network): void {
  const order = developmentKitOrder(network.classes);
  for (const { name } of network.parameters.slice(-2)) {
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
    source: file.source,
    sourceFormat: `${description}, ${naming}`,
    sourcePreprocessing: preprocessing,
    ...(folded.length > 0 && { folded: folded.join('; ') }),
  };
}
