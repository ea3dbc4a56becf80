import { type Communicator, single } from '../comm/communicator.ts';
import { InterruptedError, UsageError } from '../core/errors.ts';
import { type BadImage, badImagesError } from '../data/sources/bad-images.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import { developmentKitNumbers } from '../data/sources/ilsvrc/labels.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { checkColorProfiles } from '../data/sources/shards/packed-color-profiles.ts';
import type { Split } from '../data/sources/splits.ts';
import { type EvaluatedImage, evaluateImages } from '../evaluate/evaluate-images.ts';
import { areNumbersOf, classNumbers } from '../evaluate/inference/class-matching.ts';
import type { EngineOptions } from '../evaluate/inference/load-model.ts';
import { LoadedEnsemble } from '../evaluate/inference/open-ensemble.ts';
import { testNote } from '../evaluate/inference/shared-preparation.ts';
import type { ProtocolOptions } from '../evaluate/protocol/protocol.ts';
import { ErrorCounter, type EvaluationResult, evaluationResult } from '../evaluate/results/error-rates.ts';
import { gatherResults, ImageResults, imageResultOf } from '../evaluate/results/image-results.ts';
import type { EvaluationInputs, EvaluationRecord } from '../evaluate/results/journal.ts';
import { type JournalOptions, openJournal } from '../evaluate/results/open-journal.ts';
import { openPosteriorRecorder } from '../evaluate/results/posterior-recorder.ts';
import { checkOutputFolders, writeResultFiles } from '../evaluate/results/predictions-and-submission.ts';
import { checkAgreement, checkSameCode, checkSameImages, localRankOf } from '../train/same-on-all-ranks.ts';
import { modelChecksum } from '../weights/formats/model-files.ts';
import { chooseImages, openData } from './evaluation-images.ts';

export interface EvaluateOptions extends EngineOptions, ProtocolOptions, JournalOptions {
  /** Folder of images, see `openImages`. */
  readonly data: string;
  /** Model file, or several whose posteriors are averaged (paper, 4.4). */
  readonly model: string | readonly string[];
  /**
   * `train`, `val` or `test`, which the data set must have. Default: its validation images, otherwise its test images,
   * otherwise those that the model was not trained on, recognized by their contents wherever they are now. These are also
   * the `val` split of a data set without one; the result's `split` is then `held-out`.
   */
  readonly split?: Split;
  /**
   * File that stores the posteriors of the model (one only) for each image, by protocol and scale. It replaces the
   * journal: the same evaluation with the same file resumes. Default: none.
   */
  readonly posteriors?: string;
  /** Maximum number of crops or images in a batch (default 64, or fewer if their activations exceed 128 MiB for small networks, 512 for the paper's). */
  readonly batch?: number;
  /** Images with more pixels are rejected before they are decoded (default 100 million). */
  readonly maxPixels?: number;
  /** Stops the evaluation, which can be resumed (default: never). */
  readonly signal?: AbortSignal;
  /**
   * Ranks that share the images (default: this process alone). All call `evaluateModel` with the same options and get
   * the whole result; the first rank writes the files. Not together with `posteriors`.
   */
  readonly communicator?: Communicator;
  /** Called after each image. */
  onProgress?(progress: EvaluationProgress): void;
  /**
   * Called when an image is finished, in no particular order, but not for those finished before a resume. Labels are
   * the model's class numbers.
   */
  onImage?(image: EvaluatedImage): void;
  /**
   * Called once at the end with the images that cannot be used, if there are any; they are left out of the result. By
   * default, and with `submission`, the first such image is an error.
   */
  onBad?(images: readonly BadImage[]): void;
}

export interface EvaluationProgress {
  /** Number of finished images. */
  readonly done: number;
  /** Number of images. */
  readonly total: number;
  /** Top-1 error so far, as a fraction; NaN until an image has a label. */
  readonly top1Error: number;
}

/**
 * Measures the error rates of a model, or of several averaged, on labeled images (paper, 3.2 and 4). With `predictions`
 * or `submission` it also writes its predictions, for which images need no labels.
 * @throws UserError when data or model cannot be read or their classes differ; InterruptedError, with how to resume,
 *   when the signal is aborted.
 * @example
 * const { top1Error, top5Error } = await evaluateModel({
 *   data: 'ILSVRC',
 *   model: ['vgg-d.safetensors', 'vgg-e.safetensors'],
 *   protocol: 'both',
 *   scales: [256, 384, 512],
 * });
 */
export async function evaluateModel(options: EvaluateOptions): Promise<EvaluationResult> {
  return (await evaluateWithImages(options)).result;
}

/** Also returns the images that were evaluated, to which the result's image numbers refer. */
export async function evaluateWithImages(
  options: EvaluateOptions,
): Promise<{ readonly result: EvaluationResult; readonly source: ImageSource }> {
  const start = performance.now();
  const { communicator = single, predictions, submission, onNote, model } = options;
  const isFirst = communicator.rank === 0;
  if (isFirst) await checkOutputFolders(options);
  const labels = predictions !== undefined || submission !== undefined ? 'optional' : 'required';
  const opened = await openData({ ...options, labels, onNote: isFirst ? onNote : undefined });
  const engine = { ...options, localRank: await localRankOf(communicator, options.backend) };
  const models = await LoadedEnsemble.open(typeof model === 'string' ? [model] : model, engine, {
    batch: options.batch,
  });
  try {
    // A submission needs a line for each image.
    const chosen = await chooseImages(opened, submission === undefined ? models.models : [], communicator);
    const { source } = chosen;
    const note = describeUnused(source.unused);
    if (isFirst && note !== undefined) onNote?.(note);
    const evaluation = await prepare(options, source, models);
    await evaluateAll(evaluation);
    const { results, kitNumbers, protocol, checksums } = evaluation;
    if (isFirst) await writeResultFiles(options, results, source, models.first.facts.labels, kitNumbers);
    const seconds = (performance.now() - start) / 1000;
    return { result: evaluationResult(models, protocol, checksums, chosen, results, seconds), source };
  } finally {
    models.close();
  }
}

type Evaluation = Awaited<ReturnType<typeof prepare>>;

/** Checks everything that would make the evaluation fail, before hours of work. */
async function prepare(options: EvaluateOptions, source: ImageSource, models: LoadedEnsemble) {
  const { communicator = single, submission } = options;
  const { classes } = models.first.facts;
  const protocol = models.resolve(options);
  const note = models.usesPublishedTest(options)
    ? testNote(models.first.path, models.first.facts)
    : undefined;
  if ((options.communicator ?? single).rank === 0 && note !== undefined) options.onNote?.(note);
  checkColorProfiles(source, protocol.colorProfiles);
  const checksums = await Promise.all(
    models.models.map(async ({ path }) => (await modelChecksum(path)).sha256),
  );
  await checkRanks(options, source, checksums);
  return {
    options,
    communicator,
    source,
    models,
    protocol,
    /** SHA-256 of the model files. */
    checksums,
    /** For a submission: each class's number in the development kit. */
    kitNumbers: submission === undefined ? [] : developmentKitNumbers(classes),
    results: new ImageResults(source.length, classes.length),
  };
}

/** Fills in the results of all images: first those of an interrupted evaluation, then the others. */
async function evaluateAll(evaluation: Evaluation): Promise<void> {
  const { options, source, models, protocol, communicator, results } = evaluation;
  const { signal, onProgress, onImage, maxPixels, submission } = options;
  const bad: BadImage[] = [];
  const { path, facts } = models.first;
  const data = { path: source.location, classes: source.classes };
  const numbers = classNumbers(data, { path, classes: facts.classes });
  if (communicator.rank === 0 && areNumbersOf(data, { path, classes: facts.classes })) {
    const [zero, one] = facts.labels;
    options.onNote?.(
      `note: the classes of ${data.path} are numbers, read as the class numbers of ${path}: 0 is ${zero}, 1 is ${one}`,
    );
  }
  const record = await openRecord(evaluation);
  await gatherResults(communicator, results);
  const errors = new ErrorCounter();
  for (const result of results) errors.add(result);
  try {
    await evaluateImages({
      source,
      ensemble: models.ensemble(protocol),
      maxPixels,
      colorProfiles: protocol.colorProfiles,
      rounding: protocol.rounding,
      signal,
      team: communicator,
      isDone: (image) => results.has(image),
      onBad: options.onBad && submission === undefined ? (image) => bad.push(image) : undefined,
      onImage: async (image) => {
        const label = image.label < 0 ? -1 : numbers[image.label]!;
        const result = imageResultOf(image.image, label, image.posteriors);
        results.set(result);
        errors.add(result);
        onImage?.({ ...image, label });
        onProgress?.({ done: results.done, total: source.length, top1Error: errors.top1Error });
        await record?.add(result, image.parts);
      },
    });
  } catch (error) {
    await record?.close();
    throw signal?.aborted ? interrupted(options, results, record !== undefined) : error;
  }
  await gatherResults(communicator, results);
  await record?.finish();
  const all = (await communicator.gather(bad)).flat().sort((a, b) => a.index - b.index);
  if (results.done === 0 && all.length > 0)
    throw badImagesError(all, source.length, ` of ${source.location}`);
  if (all.length > 0) options.onBad?.(all);
}

/** Opens the journal or the posteriors file, and adds the results of an interrupted evaluation. */
async function openRecord(evaluation: Evaluation): Promise<EvaluationRecord | undefined> {
  const { options, source, models, protocol, checksums, communicator, results } = evaluation;
  const { posteriors, precision } = options;
  const inputs: EvaluationInputs = {
    models: checksums,
    data: await source.fingerprint(),
    ...protocol,
    precision: precision === 'fp32' ? undefined : precision,
  };
  return posteriors === undefined
    ? openJournal(options, communicator.rank, inputs, results)
    : openPosteriorRecorder(posteriors, inputs, protocol, models.first.facts.classes, results);
}

async function checkRanks(
  { communicator = single, posteriors }: EvaluateOptions,
  source: ImageSource,
  checksums: readonly string[],
): Promise<void> {
  if (communicator.size === 1) return;
  if (posteriors !== undefined) {
    throw new UsageError('several ranks cannot write one file of posteriors; use one process');
  }
  await checkSameCode(communicator);
  await checkSameImages(communicator, source);
  const remedy = 'copy the files again, or use a shared folder';
  await checkAgreement(communicator, 'model files', checksums.join(), remedy);
}

function interrupted(
  { posteriors }: EvaluateOptions,
  { done, length }: ImageResults,
  isRecorded: boolean,
): InterruptedError {
  if (done === 0) return new InterruptedError('stopped before the first image was done');
  const remedy = posteriors === undefined ? 'the same command and --resume' : 'the same command';
  const resume = isRecorded ? `; continue with ${remedy}` : '';
  return new InterruptedError(`stopped after ${done} of ${length} images${resume}`);
}
