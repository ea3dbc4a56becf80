/** Training as a person asks for it: from a data folder and a recipe to a run folder with a model. */
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { UserError } from '../core/errors.ts';
import { version } from '../core/project.ts';
import { parseTrainScale } from '../core/scale.ts';
import { TrainingImages } from '../data/loader.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import { fillParameters } from '../kernels/fill-parameters.ts';
import { createBackend } from '../kernels/registry.ts';
import { buildNetwork, type Network } from '../net/network.ts';
import {
  type Checkpoint,
  readCheckpoint,
  restoreParameters,
  writeCheckpoint,
  writeParameters,
} from '../train/checkpoint.ts';
import { type Metrics, MetricsWriter, type ValidationMetrics } from '../train/metrics.ts';
import { formatRecipe, type Recipe } from '../train/recipe.ts';
import {
  createRunFolder,
  lockRun,
  type RunFolder,
  readRunDescription,
  runFolder,
  truncateMetrics,
} from '../train/run-folder.ts';
import { type StopReason, Trainer, type TrainerHooks, type TrainingProgress } from '../train/trainer.ts';
import type { ModelFacts } from '../weights/model-file.ts';
import { firstWeights } from './first-weights.ts';
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
  const { data, recipe, listener, signal } = options;
  const set = await openTrainingSet(data, recipe, listener, signal);
  const network = networkOf(recipe, set.training.classes.length);
  const weights = await firstWeights(network, recipe, (note) => listener?.onNote?.(note));
  // Before the folder, so that a machine that cannot train leaves nothing behind.
  const backend = backendOf(recipe);
  const folder = await createRunFolder(options.out, { data: resolve(data), recipe });
  return runIn(folder, { recipe, set, network, backend, listener, signal, weights });
}

/** What may differ when a run is resumed, since the weights do not depend on it. */
const RESUMABLE_CHANGES: readonly (keyof Recipe)[] = [
  'epochs',
  'iterations',
  'threads',
  'checkpoint-every',
  'memory-budget',
  'max-pixels',
];

/**
 * Goes on with a run that was interrupted. The final weights are, bit for bit, those of an uninterrupted run
 * with the same number of threads.
 * @throws UserError when there is no run, its data has changed, or a change would make it another training.
 */
export async function resumeTraining(options: ResumeOptions): Promise<TrainOutcome> {
  const { out, listener, signal, changes = {} } = options;
  const { data, recipe: recorded } = await readRunDescription(out);
  checkChanges(recorded, changes);
  const recipe = { ...recorded, ...changes };
  const folder = runFolder(out);
  const checkpoint = await readCheckpoint(folder.lastFile);
  const set = await openTrainingSet(data, recipe, listener, signal);
  const network = networkOf(recipe, set.training.classes.length);
  const backend = backendOf(recipe);
  if (checkpoint) {
    await checkSameData(set, checkpoint, data);
    return runIn(folder, { recipe, set, network, backend, listener, signal, checkpoint });
  }
  listener?.onNote?.('the run has no checkpoint yet; it starts from the beginning');
  const weights = await firstWeights(network, recipe, (note) => listener?.onNote?.(note));
  return runIn(folder, { recipe, set, network, backend, listener, signal, weights });
}

interface Run {
  readonly recipe: Recipe;
  readonly set: TrainingSet;
  readonly network: Network;
  readonly backend: Backend;
  readonly listener: TrainListener | undefined;
  readonly signal: AbortSignal | undefined;
  readonly weights?: ReadonlyMap<string, Float32Array>;
  readonly checkpoint?: Checkpoint;
}

async function runIn(folder: RunFolder, run: Run): Promise<TrainOutcome> {
  const unlock = await lockRun(folder);
  const { network, backend, checkpoint } = run;
  try {
    const parameters = backend.createParameters(network.parameters, { training: true });
    try {
      if (checkpoint) await restoreParameters(parameters, checkpoint);
      else await fillParameters(parameters, run.weights!);
      await rm(folder.resultFile, { force: true });
      await truncateMetrics(folder, checkpoint?.state.iteration ?? 0);
      return await trainIn(folder, run, parameters);
    } finally {
      parameters.dispose();
    }
  } finally {
    await unlock();
  }
}

async function trainIn(folder: RunFolder, run: Run, parameters: Parameters): Promise<TrainOutcome> {
  const { recipe, network, backend, set, listener, checkpoint, signal } = run;
  const metrics = await MetricsWriter.open(folder, checkpoint?.state.iteration);
  const validator = await Validator.open({ recipe, network, set, backend, parameters });
  const facts = await modelFacts(run);
  let last: ValidationMetrics | null = null;
  const hooks: TrainerHooks = {
    validate: () => validator.validate((done, total) => listener?.onValidationProgress?.(done, total)),
    onIteration: (progress) => listener?.onIteration?.(progress),
    onMetrics: async (line) => {
      await metrics.write(line);
      if (line.kind === 'validation') last = line;
      listener?.onMetrics?.(line);
    },
    onBest: () => writeParameters(folder.bestFile, facts, parameters),
    onCheckpoint: (_, state) => writeCheckpoint(folder.lastFile, facts, parameters, state),
  };
  const images = trainingImages(run);
  const trainer = new Trainer({
    recipe,
    network,
    backend,
    parameters,
    data: { count: set.training.length, loadBatches: (plan) => images.loadBatches(plan) },
    hooks,
    ...(checkpoint && { state: checkpoint.state }),
    ...(signal && { signal }),
  });
  listener?.onStart?.({
    network,
    backend,
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
      last,
      lastModel: folder.lastFile,
    };
    if (reason !== 'interrupted') {
      await writeFileAtomically(folder.resultFile, `${JSON.stringify(outcome, undefined, 2)}\n`);
    }
    return outcome;
  } finally {
    validator.dispose();
    await metrics.close();
  }
}

function backendOf({ backend, kernels, threads }: Recipe): Backend {
  return createBackend(backend, { kernels, ...(threads !== undefined && { threads }) });
}

function networkOf(recipe: Recipe, classes: number): Network {
  return buildNetwork({
    configuration: recipe.config,
    classes,
    crop: recipe.crop,
    width: recipe.width,
    pooling: recipe.pooling,
    dropout: recipe.dropout,
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
