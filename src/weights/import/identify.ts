/** Determines which network a weight file holds, before its tensors are read. */
import { UserError } from '../../core/errors.ts';
import type { TrainScale } from '../../core/scale.ts';
import { featuresOnly, type Network, outputsOf, parameterCount } from '../../net/network.ts';
import type { WeightFile } from '../formats/readers.ts';
import { type ModelFacts, parseModelMetadata } from '../model/metadata.ts';
import type { ForeignNetwork } from './foreign-network.ts';
import {
  checkForeignOptions,
  checkOwnOptions,
  type ImportOptions,
  ownPreprocessing,
  preprocessingFor,
} from './import-options.ts';
import { networkByNames } from './naming-schemes.ts';
import { nativePreprocessing, type Preprocessing } from './preprocessing.ts';
import { type RecognizeOptions, recognize } from './recognize.ts';
import { parseWrittenForm, type WrittenForm } from './written-form.ts';

/** A file whose network is known but whose tensors have not been read. */
export interface Identified {
  readonly foreign: ForeignNetwork;
  readonly network: Network;
  /** Present in files that verydeep wrote. */
  readonly facts?: ModelFacts;
  readonly written?: WrittenForm;
  /** Smaller side of the images, if the file states another one than the crop. */
  readonly trainScale?: TrainScale;
}

/**
 * Determines which network a file holds.
 * @throws UserError naming the file, what was expected and what was found.
 */
export function identify(file: WeightFile, options: ImportOptions = {}): Identified {
  const { path, metadata } = file;
  const own = Object.hasOwn(metadata, 'verydeep.format');
  const facts = own ? parseModelMetadata(path, metadata) : undefined;
  const written = own ? parseWrittenForm(path, metadata) : undefined;
  if (facts) checkOwnOptions(path, facts, options);
  const whole = file.network?.() ?? networkByNames(file, options);
  if (!facts) checkForeignOptions(path, file.network !== undefined, whole, options);
  const foreign = options.featuresOnly ? { ...whole, classifier: [] } : whole;
  const recognized = recognize(path, foreign, facts ? recordedIn(facts) : options);
  const cut = foreign.classifier.length === 0 ? featuresOnly(recognized) : recognized;
  checkSize(file, cut);
  const rest = { foreign, written };
  if (!facts) return { ...rest, network: cut, trainScale: trainScaleOf(foreign, cut) };
  const network = options.featuresOnly ? featuresOnly(facts.network) : facts.network;
  // Tensors show the number of outputs, not what they are.
  checkFacts(path, { ...network, classes: outputsOf(network) }, cut);
  const names = network.classes === facts.network.classes ? {} : { classes: [], labels: [] };
  return { ...rest, network, facts: { ...facts, network, ...names } };
}

/** What the tensors do not tell, from our own record. */
function recordedIn({ network }: ModelFacts): RecognizeOptions {
  const { configuration, headPool, crop } = network;
  return headPool ? { configuration, headPool, crop } : { configuration };
}

/** A network that flattens maps of 4×4 also takes images of 150 pixels, but as a convolution its crop is 128. */
function trainScaleOf({ inputSide }: ForeignNetwork, { crop, classes }: Network): TrainScale | undefined {
  return inputSide === undefined || inputSide <= crop || classes === 0
    ? undefined
    : { min: inputSide, max: inputSide };
}

/**
 * The preprocessing that a file's network expects.
 * @throws UserError when neither the file nor the options state it.
 */
export async function preprocessingOf(
  path: string,
  { foreign, network, facts, written }: Identified,
  options: ImportOptions,
): Promise<Preprocessing> {
  const replaced = facts && ownPreprocessing(facts, options);
  if (replaced) return replaced;
  if (written) return written.preprocessing;
  return facts ? nativePreprocessing(facts.meanRgb) : preprocessingFor(path, foreign, network, options);
}

/** The largest factor between a file's size and its tensors as float32: it allows for compression and narrow types. */
const LARGEST_RATIO = 16;

function checkSize({ path, bytes }: WeightFile, network: Network): void {
  const needed = 4 * parameterCount(network);
  if (needed <= LARGEST_RATIO * bytes) return;
  throw new UserError(
    `${path} has ${bytes} bytes, but the tensors that it lists would take ${needed}; copy or download it again`,
  );
}

function checkFacts(path: string, stated: Network, found: Network): void {
  const keys =
    found.classes > 0
      ? (['configuration', 'classes', 'crop', 'parameters'] as const)
      : (['configuration', 'classes', 'parameters'] as const);
  const wrong = keys.find((key) => JSON.stringify(stated[key]) !== JSON.stringify(found[key]));
  if (wrong === undefined) return;
  throw new UserError(
    wrong === 'parameters'
      ? `${path}: its tensor shapes do not match the network in its metadata; write the file again`
      : `${path}: its tensors form a network with ${wrong} ${found[wrong]}, but its metadata states ${stated[wrong]}; write the file again`,
  );
}
