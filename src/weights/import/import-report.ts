import { elementCount } from '../../core/shape.ts';
import type { Network } from '../../net/network.ts';
import type { FormatName, WeightFile } from '../formats/readers.ts';
import type { ForeignLayer, ForeignNetwork } from './foreign-network.ts';
import type { Identified } from './identify.ts';
import type { ImportOptions } from './import-options.ts';
import { describePreprocessing, isNative, type Preprocessing } from './preprocessing.ts';
import type { WrittenForm } from './written-form.ts';

/** The crop of the published networks. */
const USUAL_CROP = 224;

/** A human-readable account of what an import found in a file and how it changed the tensors. */
export interface ImportReport {
  readonly format: FormatName;
  /** `PyTorch, zip archive` */
  readonly description: string;
  /** The naming scheme of the tensors: `torchvision's names`. */
  readonly naming: string;
  /** Whether verydeep wrote the file. */
  readonly own: boolean;
  /** The preprocessing that the file's network expects, in the file's convention. */
  readonly preprocessing: string;
  /** Layers that were folded into weights: `batch normalization into 8 convolutions`. */
  readonly folded: readonly string[];
  /** Axes that were reordered: `conv1_1: BGR to RGB`. */
  readonly permuted: readonly string[];
  /** Tensors of the file that the model does not need. */
  readonly ignored: readonly string[];
  /** Warnings for the user, one sentence each. */
  readonly remarks: readonly string[];
}

/** Describes an import. */
export function reportOf(
  file: WeightFile,
  { foreign, network, written, trainScale }: Identified,
  preprocessing: Preprocessing,
  options: ImportOptions,
): ImportReport {
  const layers = [...foreign.convolutions, ...foreign.classifier];
  const normalizedOf = (list: readonly ForeignLayer[]) =>
    list.filter(({ norms, inputNorms = [] }) => norms.length + inputNorms.length > 0).length;
  const normalized = normalizedOf(foreign.convolutions);
  const normalizedHead = normalizedOf(foreign.classifier);
  const folded: string[] = [];
  if (normalized > 0) folded.push(`batch normalization into ${normalized} convolutions`);
  if (normalizedHead > 0) folded.push(`batch normalization into ${normalizedHead} fully connected layers`);
  if (!isNative(preprocessing) && foldsFactors(preprocessing)) {
    folded.push('scale and standard deviation into conv1_1');
  }
  const permuted: string[] = [];
  if (preprocessing.channelOrder === 'bgr') permuted.push('conv1_1: BGR to RGB');
  const steps = foreign.pixelSteps ?? [];
  if (steps.length > 0)
    folded.push(`the network's own preprocessing (${steps.map(({ name }) => name).join(', ')}) into conv1_1`);
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
    remarks: [
      ...remarksOf(foreign, network, normalized, written, options),
      ...(trainScale && !network.headPool
        ? [
            `it takes images of ${trainScale.max} pixels, of which verydeep uses the crop of ${network.crop} in the center, so that scores differ slightly from its own`,
          ]
        : []),
    ],
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
      `network ${network.configuration} with batch normalization, which was folded into its convolutions: it can be evaluated and fine-tuned, but its architecture differs from the paper's`,
    );
  }
  if (network.classes === 0) {
    remarks.push('convolutions only, without a classifier: use it with `vgg features`');
  }
  if (!written) remarks.push(...foreignRemarks(foreign, network, options));
  return remarks;
}

/** What to know about another framework's file, with what was assumed because it does not say. */
export function foreignRemarks(
  { assumption, remarks, headPool, inputSide }: ForeignNetwork,
  network: Network,
  options: ImportOptions,
): string[] {
  const all: string[] = [...remarks];
  const { classes, crop } = network;
  const stated = options.convention !== undefined || options.mean !== undefined;
  if (!stated && assumption !== undefined) all.unshift(assumption);
  if (network.headPool && inputSide === undefined && options.crop === undefined)
    all.push(`it does not state the size of its images: assumed ${crop} pixels; otherwise give --crop`);
  const isUnknown = headPool === undefined && options.headPool === undefined;
  // At the usual crop a pooling to 7×7 changes nothing.
  if (classes > 0 && isUnknown && crop !== USUAL_CROP) {
    const side = crop / 32;
    all.push(
      `it does not state whether a pooling precedes its classifier: assumed none, so crops of ${crop} pixels; otherwise give --head-pool average${side > 1 ? `-${side}` : ' or max'} and --crop`,
    );
  }
  return all;
}

function ignoredTensors(file: WeightFile, layers: readonly ForeignLayer[]): string[] {
  const used = new Set(
    layers.flatMap(({ weight, bias, norms, inputNorms = [] }) => [
      weight,
      bias,
      ...[...norms, ...inputNorms].flatMap(({ scale, shift, mean, variance, divisor }) => [
        scale,
        shift,
        mean,
        variance,
        divisor,
      ]),
    ]),
  );
  // Tensors without elements and counts of batches hold nothing worth mentioning.
  return file.tensors
    .filter((tensor) => !used.has(tensor) && elementCount(tensor.shape) > 1)
    .map(({ name }) => name);
}
