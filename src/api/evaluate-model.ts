/** Evaluation as a person asks for it: from a data folder and model files to error rates (paper, 3.2 and 4). */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Communicator, single } from '../comm/communicator.ts';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { InterruptedError, UsageError, UserError } from '../core/errors.ts';
import { developmentKitNumbers } from '../data/sources/ilsvrc/labels.ts';
import { openImages } from '../data/sources/open-images.ts';
import type { ImageSource } from '../data/sources/source.ts';
import type { Split } from '../data/sources/splits.ts';
import type { Part } from '../evaluate/ensemble.ts';
import { evaluateImages } from '../evaluate/evaluate-images.ts';
import { classNumbers } from '../evaluate/fusion.ts';
import type { BatchingLimits } from '../evaluate/image-classifier.ts';
import type { Binding } from '../evaluate/journal.ts';
import { measure, RunningErrors } from '../evaluate/metrics.ts';
import { Outcomes, outcomeOf, shareOutcomes } from '../evaluate/outcomes.ts';
import { predictionLines } from '../evaluate/predictions.ts';
import type { Protocol } from '../evaluate/protocol.ts';
import { submissionLines } from '../evaluate/submission.ts';
import { checkAgreement, checkSameCode, checkSameImages } from '../train/ranks.ts';
import { sha256OfFile } from './checksum.ts';
import { type JournalOptions, openJournal } from './evaluation-journal.ts';
import { openKeptPosteriors } from './kept-posteriors.ts';
import type { EngineOptions } from './load-model.ts';
import { type Looking, OpenModels, type ProtocolOptions } from './open-ensemble.ts';

export interface EvaluateOptions extends EngineOptions, ProtocolOptions, JournalOptions {
  /** Folder of images, see `openImages`. */
  readonly data: string;
  /** Model file, or several whose posteriors are averaged (paper, 4.4). */
  readonly model: string | readonly string[];
  /** Default `val`. */
  readonly split?: Split;
  /** File to write what the models said of each image to, as JSON lines. */
  readonly predictions?: string;
  /** File to write five class numbers an image to, as the ILSVRC server takes them. */
  readonly submission?: string;
  /**
   * File that keeps what the model (one) saw of each image at each scale. It takes the journal's place: the same
   * evaluation with the same file goes on where it stopped.
   */
  readonly posteriors?: string;
  /** Crops or images computed at once, at most (default: 64, or what 512 MiB of activations hold). */
  readonly batch?: number;
  /** Images of more pixels are refused before they are decoded (default 100 million). */
  readonly maxPixels?: number;
  readonly signal?: AbortSignal;
  /**
   * Ranks that share the images, all of which call this with the same options; default: nobody. All get the
   * whole result; the first one writes the files. Not together with `posteriors`.
   */
  readonly communicator?: Communicator;
  onProgress?(progress: EvaluationProgress): void;
  /** Called with each image when it is done, which is not in their order; not with those done before a resume. */
  onImage?(image: EvaluatedImage): void;
}

export interface EvaluationProgress {
  readonly done: number;
  readonly total: number;
  /** So far; NaN while no image had a label. */
  readonly top1Error: number;
}

export interface EvaluatedImage {
  /** Number in the data. */
  readonly image: number;
  readonly name: string;
  /** The model's class number; −1 where the image has no label. */
  readonly label: number;
  /** `[classes]` */
  readonly posteriors: Float32Array;
  /** What they are the mean of: by model, scale, and dense or crops. */
  readonly parts: readonly Part[];
}

export interface EvaluationResult {
  readonly images: number;
  /** Images that have a label: errors and loss are theirs, NaN (in JSON null) where there is none. */
  readonly labelled: number;
  readonly top1Error: number;
  readonly top5Error: number;
  /** Mean soft-max cross-entropy, in nats. */
  readonly loss: number;
  readonly protocol: Protocol;
  /** Whether mirror images counted too. */
  readonly flip: boolean;
  /** Every scale that was used. */
  readonly scales: readonly number[];
  readonly models: readonly string[];
  /** Each model's own scales, and the checksum of its file. */
  readonly modelDetails: readonly {
    readonly path: string;
    readonly sha256: string;
    readonly scales: readonly number[];
  }[];
  /** Identifiers in label order. */
  readonly classes: readonly string[];
  /** Names for people, in label order. */
  readonly labels: readonly string[];
  /** What became of each image; see `measureByClass` and `confusionMatrix`. */
  readonly outcomes: Outcomes;
  readonly seconds: number;
}

/**
 * Error rates of a model, or of several averaged, on labelled images; with `predictions` or `submission` also
 * what it says of images without labels.
 * @throws UserError when data or model cannot be read, or their classes differ; InterruptedError when the
 *   signal is aborted, saying how to go on.
 */
export async function evaluateModel(options: EvaluateOptions): Promise<EvaluationResult> {
  const started = performance.now();
  const paths = typeof options.model === 'string' ? [options.model] : options.model;
  const { communicator = single } = options;
  if (communicator.rank === 0) await checkPlaces(options);
  const source = await openSource(options);
  const models = await OpenModels.open(paths, options, limitsOf(options));
  try {
    const { classes, labels } = models.first.facts;
    const looking = models.looking(options);
    const { predictions, submission } = options;
    const kit = submission === undefined ? [] : developmentKitNumbers(classes);
    const outcomes = new Outcomes(source.length, classes.length);
    const sha256 = await Promise.all(paths.map(sha256OfFile));
    await checkRanks(options, source, sha256);
    await judgeAll({ options, source, models, looking, outcomes, sha256, communicator });
    const writes = communicator.rank === 0;
    if (writes && predictions)
      await writeFileAtomically(predictions, predictionLines(outcomes, source, labels));
    if (writes && submission) await writeFileAtomically(submission, submissionLines(outcomes, kit));
    return {
      ...figuresOf(outcomes),
      ...describeLooking(looking),
      models: paths,
      modelDetails: paths.map((path, i) => ({ path, sha256: sha256[i]!, scales: looking.scales[i]! })),
      classes,
      labels,
      outcomes,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    models.close();
    await source.close?.();
  }
}

interface Job {
  readonly options: EvaluateOptions;
  readonly source: ImageSource;
  readonly models: OpenModels;
  readonly looking: Looking;
  readonly outcomes: Outcomes;
  readonly sha256: readonly string[];
  readonly communicator: Communicator;
}

async function checkRanks(
  { communicator = single, posteriors }: EvaluateOptions,
  source: ImageSource,
  sha256: readonly string[],
): Promise<void> {
  if (communicator.size === 1) return;
  if (posteriors !== undefined) throw new UsageError('posteriors are kept by one process, not by ranks');
  await checkSameCode(communicator);
  await checkSameImages(communicator, source);
  const remedy = 'copy the files anew, or use a shared folder';
  await checkAgreement(communicator, 'model files', sha256.join(), remedy);
}

/** Fills in the outcomes of all images, some from the journal. */
async function judgeAll(job: Job): Promise<void> {
  const { options, source, models, looking, outcomes, sha256, communicator } = job;
  const { signal, onProgress, onImage, maxPixels } = options;
  const numbers = classNumbers({ path: source.location, classes: source.classes }, models.named);
  const binding: Binding = {
    models: sha256,
    data: await source.fingerprint(),
    ...looking,
    ...(options.precision && options.precision !== 'fp32' && { precision: options.precision }),
  };
  const { classes } = models.named;
  const kept =
    options.posteriors === undefined
      ? undefined
      : await openKeptPosteriors(options.posteriors, binding, looking, classes, outcomes);
  const { rank } = communicator;
  const journal = kept ? undefined : await openJournal({ ...options, rank }, binding, outcomes);
  await shareOutcomes(communicator, outcomes);
  const errors = new RunningErrors();
  for (const outcome of outcomes) errors.add(outcome);
  try {
    await evaluateImages({
      source,
      ensemble: models.ensemble(looking),
      maxPixels,
      signal,
      team: communicator,
      isDone: (image) => outcomes.has(image),
      onImage: async (judged) => {
        const label = judged.label < 0 ? -1 : numbers[judged.label]!;
        const outcome = outcomeOf(judged.image, label, judged.posteriors);
        outcomes.set(outcome);
        errors.add(outcome);
        onImage?.({ ...judged, label });
        onProgress?.({ done: outcomes.done, total: source.length, top1Error: errors.top1Error });
        await kept?.add(judged.image, label, judged.parts);
        await journal?.add(outcome);
      },
    });
  } catch (error) {
    await journal?.close();
    if (!signal?.aborted) throw error;
    throw interrupted(outcomes, journal !== undefined);
  } finally {
    await kept?.close();
  }
  await shareOutcomes(communicator, outcomes);
  await journal?.remove();
}

function openSource({ data, split = 'val', predictions, submission }: EvaluateOptions): Promise<ImageSource> {
  const labels = predictions !== undefined || submission !== undefined ? 'optional' : 'required';
  return openImages(data, { split, labels });
}

function limitsOf({ batch }: EvaluateOptions): BatchingLimits {
  return batch === undefined ? {} : { batch };
}

/** After hours of work is a bad time to learn that the folder is not there. */
async function checkPlaces({ predictions, submission }: EvaluateOptions): Promise<void> {
  for (const path of [predictions, submission]) {
    if (path === undefined) continue;
    try {
      await access(dirname(path), constants.W_OK);
    } catch (error) {
      throw new UserError(`${path} cannot be written: its folder is not there or not yours to write to`, {
        cause: error,
      });
    }
  }
}

function figuresOf(outcomes: Outcomes) {
  const { images: labelled, top1Error, top5Error, loss } = measure(outcomes);
  return { images: outcomes.done, labelled, top1Error, top5Error, loss };
}

function describeLooking({ protocol, flip, scales }: Looking) {
  return { protocol, flip, scales: [...new Set(scales.flat())].sort((a, b) => a - b) };
}

function interrupted({ done, length }: Outcomes, kept: boolean): InterruptedError {
  if (done === 0) return new InterruptedError('stopped before the first image was done');
  const stopped = `stopped after ${done} of ${length} images`;
  return new InterruptedError(
    kept ? `${stopped}, which are kept; go on by the same command with --resume` : stopped,
  );
}
