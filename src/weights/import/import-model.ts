/** From an open file of any format to a model: recognised, read, permuted, folded. */
import { basename } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { version } from '../../core/project.ts';
import { elementCount } from '../../core/shape.ts';
import { type Network, parameterCount } from '../../net/network.ts';
import type { FormatName, WeightFile } from '../formats/weight-file.ts';
import { type ClassNames, classNamesFor, developmentKitOrder } from '../labels/class-names.ts';
import { featuresOnly } from '../model/features-only.ts';
import { type ModelFacts, parseModelMetadata } from '../model/metadata.ts';
import type { Model } from '../model/model-safetensors.ts';
import { multiplyChannels, swapRedAndBlue } from './first-convolution.ts';
import { networkByNames } from './names.ts';
import type { ForeignLayer, ForeignNetwork } from './network.ts';
import { type ImportOptions, preprocessingFor } from './options.ts';
import {
  describePreprocessing,
  isNative,
  meanRgbOf,
  nativePreprocessing,
  type Preprocessing,
} from './preprocessing.ts';
import { compose, type OnBytes, readNorm, readVector, readWeight, scaleOutputs } from './read-layer.ts';
import { recognize } from './recognize.ts';
import { exactBefore, parseWrittenForm, type WrittenForm } from './written-form.ts';

/** What was done to a file's tensors to make them a model's, for people. */
export interface ImportReport {
  readonly format: FormatName;
  readonly description: string;
  readonly naming: string;
  /** Whether verydeep wrote the file, and so knows all about it. */
  readonly own: boolean;
  /** What the file's network takes, in its own terms. */
  readonly preprocessing: string;
  readonly folded: readonly string[];
  readonly permuted: readonly string[];
  /** Tensors of the file that the model does not need. */
  readonly ignored: readonly string[];
  /** What a person should know. */
  readonly remarks: readonly string[];
}

export interface ImportedModel {
  readonly model: Model;
  readonly report: ImportReport;
}

/** A file whose network is known, before anything is read. */
export interface Identified {
  readonly foreign: ForeignNetwork;
  readonly network: Network;
  /** What verydeep wrote of the model, in files that it wrote. */
  readonly facts?: ModelFacts;
  readonly written?: WrittenForm;
}

/**
 * Finds out which network a file holds.
 * @throws UserError naming the file, what was expected and what was found.
 */
export function identify(file: WeightFile, options: ImportOptions = {}): Identified {
  const { path, metadata } = file;
  const own = Object.hasOwn(metadata, 'verydeep.format');
  const facts = own ? parseModelMetadata(path, metadata) : undefined;
  const written = own ? parseWrittenForm(path, metadata) : undefined;
  const whole = file.network?.() ?? networkByNames(file, options);
  const foreign = options.featuresOnly ? { ...whole, classifier: [] } : whole;
  const configuration = options.configuration ?? facts?.network.configuration;
  const recognized = recognize(path, foreign, {
    configuration,
    pooling: options.pooling,
  });
  const cut = foreign.classifier.length === 0 ? featuresOnly(recognized) : recognized;
  checkSize(file, cut);
  const rest = { foreign, written };
  if (!facts) return { ...rest, network: cut };
  const network = options.featuresOnly ? featuresOnly(facts.network) : facts.network;
  checkFacts(path, network, cut);
  const names = network.classes === facts.network.classes ? {} : { classes: [], labels: [] };
  return { ...rest, network, facts: { ...facts, network, ...names } };
}

/** Reads the model in a file. @throws UserError as `identify` does, or naming a tensor that cannot be used. */
export async function importModel(file: WeightFile, options: ImportOptions = {}): Promise<ImportedModel> {
  const identified = identify(file, options);
  const { foreign, network, facts, written } = identified;
  const preprocessing =
    written?.preprocessing ??
    (facts ? nativePreprocessing(facts.meanRgb) : preprocessingFor(file.path, foreign, network, options));
  const names = namesOf(identified, options);
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

/** Allocates no more than a file of this size can fill: sixteen times allows for compression and narrow types. */
const LARGEST_RATIO = 16;

function checkSize({ path, bytes }: WeightFile, network: Network): void {
  const needed = 4 * parameterCount(network);
  if (needed <= LARGEST_RATIO * bytes) return;
  throw new UserError(
    `${path} has ${bytes} bytes, and the tensors that it lists would take ${needed}; the file is damaged`,
  );
}

function checkFacts(path: string, stated: Network, found: Network): void {
  const keys =
    found.classes > 0
      ? (['configuration', 'classes', 'crop', 'parameters'] as const)
      : (['configuration', 'classes', 'parameters'] as const);
  const wrong = keys.find((key) => JSON.stringify(stated[key]) !== JSON.stringify(found[key]));
  if (wrong === undefined) return;
  const say = wrong === 'parameters' ? () => 'others' : (network: Network) => String(network[wrong]);
  throw new UserError(
    `${path}: its tensors make a network with ${wrong} ${say(found)}, but its metadata says ${say(stated)}; write the file again`,
  );
}

function namesOf({ facts, network }: Identified, { classNames, classOrder }: ImportOptions): ClassNames {
  if (!classNames) return facts ?? classNamesFor(network.classes);
  if (network.classes !== classNames.classes.length) {
    throw new UserError(
      `the classes file names ${classNames.classes.length} classes, but the network has ${network.classes}; name each of them, in the order of its outputs`,
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

/** Moves fc8's outputs: class c of the result is class `order[c]` of the file. */
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

function reportOf(
  file: WeightFile,
  { foreign, network, written }: Identified,
  preprocessing: Preprocessing,
  options: ImportOptions,
): ImportReport {
  const layers = [...foreign.convolutions, ...foreign.classifier];
  const normalized = layers.filter(({ norms }) => norms.length > 0).length;
  const folded: string[] = [];
  if (normalized > 0) folded.push(`batch normalisation into ${normalized} convolutions`);
  if (!isNative(preprocessing) && foldsFactors(preprocessing)) {
    folded.push('scale and standard deviation into conv1_1');
  }
  const permuted: string[] = [];
  if (preprocessing.channelOrder === 'bgr') permuted.push('conv1_1: BGR to RGB');
  if (layers.some(({ layout }) => layout.outputsLast)) permuted.push('weights: outputs first');
  if (foreign.classifier.some(({ layout }) => layout.inputs === 'hwc')) {
    permuted.push('fc6: inputs from rows, columns, channels to channels, rows, columns');
  }
  if (options.classOrder === 'devkit')
    permuted.push("fc8: from the development kit's order to sorted synsets");
  return {
    format: file.format,
    description: file.description,
    naming: written ? 'written by verydeep' : foreign.naming,
    own: written !== undefined,
    preprocessing: describePreprocessing(preprocessing),
    folded,
    permuted,
    ignored: ignoredTensors(file, layers),
    remarks: remarksOf(foreign, network, normalized, written, options),
  };
}

function foldsFactors({ scale, std }: Preprocessing): boolean {
  return std.some((value) => scale / value !== 1);
}

function remarksOf(
  foreign: ForeignNetwork,
  network: Network,
  normalized: number,
  written: WrittenForm | undefined,
  options: ImportOptions,
): string[] {
  const remarks: string[] = [];
  if (normalized > 0) {
    remarks.push(
      `network ${network.configuration} with batch normalisation, folded into its convolutions: it can be evaluated and fine-tuned from, but it is another architecture than the paper's`,
    );
  }
  if (network.classes === 0) {
    remarks.push('convolutions only, without a classifier: use it with `vgg features`');
  }
  const asked = options.convention !== undefined || options.mean !== undefined;
  if (!written && !asked) remarks.push(...foreign.remarks);
  return remarks;
}

function ignoredTensors(file: WeightFile, layers: readonly ForeignLayer[]): string[] {
  const used = new Set(
    layers.flatMap(({ weight, bias, norms }) => [
      weight,
      bias,
      ...norms.flatMap(({ scale, shift, mean, variance, divisor }) => [
        scale,
        shift,
        mean,
        variance,
        divisor,
      ]),
    ]),
  );
  // A tensor without elements, or a single count of batches, is nothing that anyone misses.
  return file.tensors
    .filter((tensor) => !used.has(tensor) && elementCount(tensor.shape) > 1)
    .map(({ name }) => name);
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
