/** Training as a person asks for it: from a data folder and a recipe to a run folder with a model. */
import { resolve } from 'node:path';
import type { Communicator } from '../comm/communicator.ts';
import { single } from '../comm/single.ts';
import { UserError } from '../core/errors.ts';
import { version } from '../core/project.ts';
import { parseTrainScale } from '../core/scale.ts';
import { fromFirst } from '../core/team.ts';
import { TrainingImages } from '../data/training/loader.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import { moveIntoParameters } from '../kernels/fill-parameters.ts';
import { openBackend } from '../kernels/registry.ts';
import type { Network } from '../net/network.ts';
import { createRunFolder, type RunFolder, readRunDescription, runFolder } from '../runs/run-folder.ts';
import { openRunRecord, type RunRecord, SilentRecord } from '../runs/run-record.ts';
import {
  type Checkpoint,
  readCheckpoint,
  restoreModel,
  restoreOptimizer,
  type TrainerState,
} from '../train/checkpoint.ts';
import type { Metrics, StopReason, ValidationMetrics } from '../train/metrics.ts';
import type { Recipe } from '../train/recipe.ts';
import { formatRecipe } from '../train/recipe-file.ts';
import { networkOf } from '../train/recipe-network.ts';
import { checkSameWeights } from '../train/same-weights.ts';
import { Trainer, type TrainingProgress } from '../train/trainer.ts';
import { WeightAverage } from '../train/weight-average.ts';
import type { ModelFacts } from '../weights/model/model-file.ts';
import { firstWeights } from './first-weights.ts';
import {
  checkAgreement,
  checkSameCode,
  checkSameImages,
  noteOtherEngines,
  shareParameters,
  threadsPerRank,
} from './ranks.ts';
import { openTrainingSet, type TrainingSet, type TrainingSetListener } from './training-set.ts';
import { Validator } from './validator.ts';

export interface TrainOptions {
  /** Folder of images, see `openImages`. */
  readonly data: string;
  /** The run folder: new, or with `resume` an earlier one. */
  readonly out: string;
  readonly recipe: Recipe;
  readonly listener?: TrainListener;
  /** Stops after the current iteration, with a checkpoint. */
  readonly signal?: AbortSignal;
  /**
   * Ranks that share the work, all of which call this with the same options; default: nobody. The listener of
   * the first one is told what goes on, and the first one alone reads and writes the run folder.
   */
  readonly communicator?: Communicator;
}

export interface ResumeOptions extends Omit<TrainOptions, 'recipe' | 'data'> {
  /** Changes of the recipe; only of what leaves the training the same. */
  readonly changes?: Partial<Recipe>;
}

export interface TrainListener extends TrainingSetListener {
  onStart?(start: TrainingStart): void;
  onIteration?(progress: TrainingProgress): void;
  onValidationProgress?(done: number, total: number): void;
  onMetrics?(metrics: Metrics): void;
}

export interface TrainingStart {
  readonly network: Network;
  readonly backend: Backend;
  readonly communicator: Communicator;
  readonly trainingImages: number;
  readonly validationImages: number;
  readonly iteration: number;
  readonly totalIterations: number;
}

export interface TrainOutcome {
  readonly run: string;
  /** Why it ended. */
  readonly reason: StopReason;
  readonly iterations: number;
  /** Seconds spent training, over all sessions of the run. */
  readonly seconds: number;
  readonly best: { readonly iteration: number; readonly top1Error: number; readonly model: string } | null;
  /** The last validation of this session. */
  readonly last: ValidationMetrics | null;
  readonly lastModel: string;
}

/**
 * Starts a training run.
 * @throws UserError for bad data, recipes and folders, each naming what to do.
 */
export async function trainNetwork(options: TrainOptions): Promise<TrainOutcome> {
  const { recipe } = options;
  const run = await prepare(options, options.data, recipe);
  const weights = run.isFirst ? await firstWeights(run.network, recipe, run.note) : undefined;
  // Last, so that a machine that cannot train leaves nothing behind.
  const folder = run.isFirst
    ? await createRunFolder(options.out, { data: resolve(options.data), recipe })
    : runFolder(options.out);
  return runIn(folder, { ...run, weights, state: undefined });
}

/** What may differ when a run is resumed, since the weights do not depend on it. */
const RESUMABLE_CHANGES: readonly (keyof Recipe)[] = [
  'epochs',
  'iterations',
  'threads',
  'backend',
  'precision',
  'checkpoint-every',
  'memory-budget',
  'max-pixels',
];

/**
 * Goes on with a run that was interrupted. The final weights are, bit for bit, those of an uninterrupted run
 * with the same numbers of threads and ranks.
 * @throws UserError when there is no run, its data has changed, or a change would make it another training.
 */
export async function resumeTraining(options: ResumeOptions): Promise<TrainOutcome> {
  const { out, changes = {}, communicator = single } = options;
  const folder = runFolder(out);
  const isFirst = communicator.rank === 0;
  // The folder may be on the first rank's machine alone.
  const found = isFirst ? await readRunDescription(out) : undefined;
  const { data, recipe: recorded } = await fromFirst(communicator, found!);
  checkChanges(recorded, changes);
  const recipe = { ...recorded, ...changes };
  const checkpoint = isFirst ? await readCheckpoint(folder.lastFile) : undefined;
  const state = (await fromFirst(communicator, checkpoint?.state ?? null)) ?? undefined;
  const run = await prepare(options, data, recipe);
  if (checkpoint) await checkSameData(run.set, checkpoint, data);
  if (state === undefined) run.note('the run has no checkpoint yet; it starts from the beginning');
  const weights =
    isFirst && state === undefined ? await firstWeights(run.network, recipe, run.note) : undefined;
  return runIn(folder, { ...run, checkpoint, weights, state });
}

interface Prepared {
  readonly recipe: Recipe;
  readonly set: TrainingSet;
  readonly network: Network;
  readonly backend: Backend;
  readonly communicator: Communicator;
  /** Whether this is the rank that reads and writes the run folder, and tells what goes on. */
  readonly isFirst: boolean;
  readonly listener: TrainListener | undefined;
  readonly signal: AbortSignal | undefined;
  note(text: string): void;
}

interface Run extends Prepared {
  /** What training starts from; where both are missing, the first rank has one of them. */
  readonly weights?: Map<string, Float32Array>;
  readonly checkpoint?: Checkpoint;
  /** Where it goes on; undefined for a new run. */
  readonly state: TrainerState | undefined;
}

/** Opens what a run needs, and sees to it that all ranks have the same. */
async function prepare(
  { listener: told, signal, communicator = single }: Omit<TrainOptions, 'data' | 'out' | 'recipe'>,
  data: string,
  recipe: Recipe,
): Promise<Prepared> {
  const isFirst = communicator.rank === 0;
  const listener = isFirst ? told : undefined;
  const note = (text: string): void => listener?.onNote?.(text);
  if (communicator.size > 1) {
    await checkSameCode(communicator);
    const { threads: _, ...shared } = recipe;
    const remedy = 'start all ranks with the same flags and the same recipe file';
    await checkAgreement(communicator, 'the recipe', JSON.stringify(shared), remedy);
  }
  const set = await openTrainingSet(data, recipe, listener, signal, communicator);
  await checkSameImages(communicator, set.training);
  await checkSameImages(communicator, set.validation);
  const network = networkOf(recipe, set.training.classes.length);
  // Before the folder is made, so that a machine that cannot train leaves nothing behind.
  const backend = await backendOf(recipe, communicator);
  if (communicator.size > 1) await noteOtherEngines(communicator, backend, note);
  return { recipe, set, network, backend, communicator, isFirst, listener, signal, note };
}

async function runIn(folder: RunFolder, run: Run): Promise<TrainOutcome> {
  const { network, backend, checkpoint, weights, communicator, state, isFirst, listener } = run;
  const record = isFirst
    ? await openRunRecord({
        folder,
        iteration: state?.iteration,
        onMetrics: (line) => listener?.onMetrics?.(line),
      })
    : new SilentRecord();
  try {
    const parameters = backend.createParameters(network.parameters, { training: true });
    try {
      if (checkpoint) await restoreModel(parameters, checkpoint);
      else if (weights) await moveIntoParameters(parameters, weights);
      await shareParameters(communicator, parameters, ['values']);
      // Before the weights that training goes on with take the model's place.
      const average = state?.averaged ? await WeightAverage.heldBy(parameters, state.averaged) : undefined;
      if (checkpoint) await restoreOptimizer(parameters, checkpoint);
      if (state) await shareParameters(communicator, parameters, ['values', 'velocities']);
      return await trainIn(folder, run, parameters, record, average);
    } finally {
      parameters.dispose();
    }
  } finally {
    await record.close();
  }
}

async function trainIn(
  folder: RunFolder,
  run: Run,
  parameters: Parameters,
  record: RunRecord,
  average: WeightAverage | undefined,
): Promise<TrainOutcome> {
  const { recipe, network, backend, set, listener, state, signal, communicator } = run;
  const validator = await Validator.open({ recipe, network, set, backend, parameters, team: communicator });
  const images = trainingImages(run);
  const trainer = new Trainer({
    recipe,
    network,
    backend,
    parameters,
    communicator,
    data: { count: set.training.length, loadBatches: (plan) => images.loadBatches(plan) },
    hooks: {
      validate: () => validator.validate((done, total) => listener?.onValidationProgress?.(done, total)),
      onIteration: (progress) => listener?.onIteration?.(progress),
      beforeCheckpoint: (_, { iteration }) => checkSameWeights(communicator, parameters, iteration),
      ...record.hooks(await modelFacts(run), parameters),
    },
    state,
    average,
    signal,
  });
  listener?.onStart?.({
    network,
    backend,
    communicator,
    trainingImages: set.training.length,
    validationImages: set.validation.length,
    iteration: trainer.state.iteration,
    totalIterations: trainer.totalIterations,
  });
  try {
    const reason = await trainer.run();
    const { iteration, seconds, best } = trainer.state;
    const outcome: TrainOutcome = {
      run: folder.path,
      reason,
      iterations: iteration,
      seconds,
      best: best && { ...best, model: folder.bestFile },
      last: record.last,
      lastModel: folder.lastFile,
    };
    if (reason !== 'interrupted') await record.writeResult(outcome);
    return outcome;
  } finally {
    validator.dispose();
  }
}

function backendOf(
  { backend, kernels, precision, threads: asked }: Recipe,
  communicator: Communicator,
): Promise<Backend> {
  const threads = asked ?? threadsPerRank(communicator);
  return openBackend(backend, {
    // A recipe always has it; to the other backends it means nothing.
    ...(backend === 'native' && { kernels }),
    precision,
    threads,
  });
}

function trainingImages({ recipe, set }: Run): TrainingImages {
  return new TrainingImages(set.training, {
    seed: recipe.seed,
    crop: recipe.crop,
    scale: parseTrainScale(recipe.scale),
    randomCrop: recipe['random-crop'],
    flip: recipe.flip,
    colorShift: recipe['color-shift'] ? set.axes : undefined,
    mean: set.mean,
    memory: recipe['memory-budget'] * 2 ** 20,
    maxPixels: recipe['max-pixels'],
  });
}

async function modelFacts({ recipe, network, set }: Run): Promise<ModelFacts> {
  return {
    network,
    classes: set.training.classes,
    labels: set.training.labels,
    meanRgb: set.mean,
    trainScale: parseTrainScale(recipe.scale),
    provenance: {
      createdBy: `verydeep ${version}`,
      data: set.training.location,
      dataFingerprint: await set.training.fingerprint(),
      recipe: formatRecipe(recipe),
    },
  };
}

function checkChanges(recorded: Recipe, changes: Partial<Recipe>): void {
  const keys = Object.keys(changes) as (keyof Recipe)[];
  const refused = keys.find((key) => !RESUMABLE_CHANGES.includes(key) && changes[key] !== recorded[key]);
  if (refused === undefined) return;
  throw new UserError(
    `the run was started with ${refused} ${recorded[refused] ?? '(none)'}, and resuming it with ${changes[refused]} would be ` +
      `another training; leave the flag out, or start a new run with --from (only ${RESUMABLE_CHANGES.join(', ')} may change)`,
  );
}

async function checkSameData(set: TrainingSet, { model }: Checkpoint, data: string): Promise<void> {
  if (model.provenance.dataFingerprint === (await set.training.fingerprint())) return;
  throw new UserError(
    `the training images in ${data} are not those that the run was started with; put them back, or start a new run with --from`,
  );
}
