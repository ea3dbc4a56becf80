/** Opens and checks a training session: images, network and backend, the same on all ranks. */
import { basename, resolve } from 'node:path';
import { type Communicator, single } from '../comm/communicator.ts';
import { UserError } from '../core/errors.ts';
import { hidePathsIn } from '../core/hide-paths.ts';
import { fromFirst } from '../core/process-team.ts';
import { version } from '../core/project.ts';
import { parseTrainScale } from '../core/scale.ts';
import { packFingerprints, unpackFingerprints } from '../data/sources/image-fingerprints.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import { moveIntoParameters } from '../kernels/canonical-parameters.ts';
import { openBackend } from '../kernels/registry.ts';
import type { Network } from '../net/network.ts';
import type { ModelFacts, ValidationRecord } from '../weights/model/metadata.ts';
import { type Checkpoint, restoreModel, restoreOptimizer } from './checkpoint.ts';
import { classWeights } from './class-weights.ts';
import type { DataRecord } from './data-record.ts';
import { tensorRates } from './layer-rates.ts';
import type { Metrics } from './metrics.ts';
import type { Recipe } from './recipe.ts';
import { formatRecipe } from './recipe-file.ts';
import { networkOf } from './resolve-recipe.ts';
import {
  checkAgreement,
  checkSameCode,
  checkSameImages,
  localRankOf,
  noteDifferentBackends,
  shareParameters,
  threadsPerRank,
} from './same-on-all-ranks.ts';
import type { TrainingProgress } from './trainer-hooks.ts';
import type { TrainerState } from './trainer-state.ts';
import {
  openTrainingSet,
  type TrainingSet,
  type TrainingSetListener,
  type ValidationImages,
} from './training-set.ts';
import { WeightAverage } from './weight-average.ts';

/** What a run is doing; `saving`: it writes a checkpoint or the best model. */
export type TrainingPhase = 'training' | 'validating' | 'saving';

export interface TrainListener extends TrainingSetListener {
  /** Called once, before the first iteration. */
  onStart?(start: TrainingStart): void;
  onIteration?(progress: TrainingProgress): void;
  /** Called whenever training turns to something else, on the first rank. */
  onPhase?(phase: TrainingPhase): void;
  /** Called with the number of images validated so far. */
  onValidationProgress?(done: number, total: number): void;
  /** Called with each reason to distrust the training or its result, once. */
  onWarning?(warning: string): void;
  /** Called with each line of metrics.jsonl. */
  onMetrics?(metrics: Metrics): void;
}

export interface TrainingStart {
  readonly network: Network;
  readonly backend: Backend;
  readonly communicator: Communicator;
  readonly trainingImages: number;
  readonly validation: ValidationImages;
  /** Iterations done in earlier sessions of the run. */
  readonly iteration: number;
  readonly totalIterations: number;
  /** If the length is given in epochs; their iterations are rounded. */
  readonly epochs?: number;
  /** Images per iteration. */
  readonly batch: number;
  /** The lowest validation error of earlier sessions. */
  readonly best?: number;
}

export interface SessionOptions {
  readonly data: string;
  readonly recipe: Recipe;
  readonly listener?: TrainListener;
  readonly signal?: AbortSignal;
  readonly communicator?: Communicator;
  /** The images that the run was started with (default: a new run). */
  readonly record?: DataRecord;
  /** See `openTrainingSet`. */
  readonly resumed?: 'recorded' | 'none';
}

export interface TrainingSession {
  readonly recipe: Recipe;
  readonly communicator: Communicator;
  readonly signal: AbortSignal | undefined;
  /** On rank 0 only. */
  readonly listener: TrainListener | undefined;
  readonly set: TrainingSet;
  /** Weights of the classes in the loss (default: 1). */
  readonly classWeights?: Float32Array;
  readonly network: Network;
  readonly backend: Backend;
  /** Whether all ranks have the same backend. */
  readonly areAlike: boolean;
}

/** @throws UserError for data that cannot be trained on, a missing backend, or ranks that differ. */
export async function openSession(options: SessionOptions): Promise<TrainingSession> {
  const { data, recipe, signal, communicator = single, record, resumed } = options;
  const listener = communicator.rank === 0 ? options.listener : undefined;
  await checkSameRecipe(communicator, recipe);
  const team = communicator;
  const set = await openTrainingSet(data, { recipe, listener, signal, team, record, resumed });
  await checkSameImages(communicator, set.training);
  await checkSameImages(communicator, set.validation);
  const network = networkOf(recipe, set.training.classes.length);
  const isFirst = communicator.rank === 0;
  const backend = await openBackend(recipe.backend, {
    precision: recipe.precision,
    gpus: recipe.gpus,
    localRank: await localRankOf(communicator, recipe.backend),
    threads: recipe.threads ?? threadsPerRank(communicator),
  });
  const areAlike = await noteDifferentBackends(communicator, backend, (note) => listener?.onNote?.(note));
  const weights = await fromFirst(
    communicator,
    isFirst ? [...((await classWeights(recipe['class-weights'], set.training)) ?? [])] : [],
  );
  return {
    ...{ recipe, communicator, signal, listener, set, network, backend, areAlike },
    classWeights: weights.length > 0 ? Float32Array.from(weights) : undefined,
  };
}

/** @throws UserError when ranks run other versions or were started with other recipes, but for `threads`. */
export async function checkSameRecipe(communicator: Communicator, recipe: Recipe): Promise<void> {
  if (communicator.size === 1) return;
  await checkSameCode(communicator);
  // Ranks may have GPUs or not.
  const { threads: _, backend: __, gpus: ___, ...shared } = recipe;
  const remedy = 'start all ranks with the same flags and the same recipe file';
  await checkAgreement(communicator, 'recipe', JSON.stringify(shared), remedy);
}

/** @throws UserError when the training images are not those that a checkpoint was trained on. */
export async function checkSameData(
  { set: { training } }: TrainingSession,
  { model }: Checkpoint,
): Promise<void> {
  if (model.provenance.dataFingerprint === (await training.fingerprint())) return;
  throw new UserError(
    `the training images in ${training.location} have changed since the run was started; restore them, or start a new run with --from`,
  );
}

/** What a session starts from. Rank 0 has the weights or a checkpoint; the other ranks receive them. */
export interface SessionStart {
  readonly weights?: Map<string, Float32Array>;
  /** Fingerprints of the images that the model behind `weights` was trained on, if it recorded them. */
  readonly trainedOn?: string;
  readonly checkpoint?: Checkpoint;
  /** The checkpoint's state, on every rank; undefined for a run without a checkpoint. */
  readonly state?: TrainerState;
}

/** Creates the parameters and fills them with the same start on all ranks. */
export async function startParameters(
  { recipe, network, backend, communicator }: TrainingSession,
  { weights, checkpoint, state }: SessionStart,
): Promise<{ parameters: Parameters; average?: WeightAverage }> {
  const parameters = backend.createParameters(network.parameters, {
    training: true,
    rates: tensorRates(recipe, network),
  });
  try {
    if (checkpoint) await restoreModel(parameters, checkpoint);
    else if (weights) await moveIntoParameters(parameters, weights);
    await shareParameters(communicator, parameters, ['values']);
    // Done before the weights that training continues with replace the model.
    const average = state?.averaged ? await WeightAverage.heldBy(parameters, state.averaged) : undefined;
    if (checkpoint) await restoreOptimizer(parameters, checkpoint);
    if (state) await shareParameters(communicator, parameters, ['values', 'velocities']);
    return { parameters, average };
  } catch (error) {
    parameters.dispose();
    throw error;
  }
}

/** The facts that model files record besides the weights, without this machine's folders. */
export async function modelFacts(
  { recipe, network, set }: TrainingSession,
  { checkpoint, trainedOn }: SessionStart,
): Promise<ModelFacts> {
  const { training, mean, validationRecord } = set;
  return {
    network,
    classes: training.classes,
    labels: training.labels,
    meanRgb: mean,
    trainScale: parseTrainScale(recipe.scale),
    colorProfiles: recipe['color-profiles'],
    // The model of an older version keeps being one without a record: its hold-out follows another rule.
    validation: checkpoint ? checkpoint.model.validation : withEarlier(validationRecord, trainedOn),
    provenance: {
      createdBy: `verydeep ${version}`,
      data: basename(resolve(training.location)),
      dataFingerprint: await training.fingerprint(),
      recipe: formatRecipe(hidePathsIn(recipe)),
    },
  };
}

/** Images that the model was trained on before count as training images, too. */
function withEarlier(record: ValidationRecord, earlier: string | undefined): ValidationRecord {
  if (earlier === undefined) return record;
  const all = [record.trainedOn ?? '', earlier].flatMap((packed) => [...unpackFingerprints(packed)]);
  return { ...record, trainedOn: packFingerprints(all) };
}
