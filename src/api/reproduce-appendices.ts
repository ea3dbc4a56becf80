/** Repeats the experiments of the paper's appendices on data that the user has: Tables 8 to 10, and Table 11. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { UsageError, UserError } from '../core/errors.ts';
import { kindOf, makeFolder } from '../core/files.ts';
import type { EngineOptions } from '../evaluate/inference/load-model.ts';
import { type TransferSet, transferSets } from '../reproduce/published-appendices.ts';
import { runFolder } from '../runs/run-folder.ts';
import type { PartialRecipe } from '../train/recipe.ts';
import { resolveRecipe } from '../train/resolve-recipe.ts';
import type { TrainListener } from '../train/session.ts';
import { modelChecksum } from '../weights/formats/model-files.ts';
import { readModel } from '../weights/model/read-model.ts';
import {
  evaluateLocalization,
  type LocalizationOptions,
  type LocalizationResult,
} from './evaluate-localization.ts';
import { resumeTraining } from './resume-training.ts';
import { trainNetwork } from './train-network.ts';
import { type TransferResult, transferFeatures } from './transfer-features.ts';

interface AppendixOptions extends EngineOptions {
  readonly data: string;
  /** Folder for runs and results; what it has already is not computed again. */
  readonly out: string;
  readonly signal?: AbortSignal;
  /** Called before each step with its name. */
  onStep?(name: string): void;
}

export interface LocalizationReproduction extends AppendixOptions {
  /** Classification models trained here at one scale S each: 256 and, for Table 9's other rows, 384 in the paper. */
  readonly models: readonly string[];
  /** See `evaluateLocalization`. */
  readonly boxes?: string;
  /** Recipe keys of every training, such as `epochs` (default: the paper's). */
  readonly recipe?: PartialRecipe;
  readonly listener?: TrainListener;
}

export interface LocalizationTables {
  /** Table 8: `single-fc`, `per-class-fc` and `per-class-all`. */
  readonly center: Readonly<Record<string, LocalizationResult>>;
  /** Table 9: `first`, and with two models `second`, `second, two scales` and `fusion`. */
  readonly dense: Readonly<Record<string, LocalizationResult>>;
}

/** Distance of Table 9's two test scales. */
const STEP = 32;

/**
 * Trains localization networks from classifiers, and measures them as the paper's Tables 8 and 9 do.
 * @throws UserError as the trainings and evaluations do
 */
export async function reproduceLocalization(options: LocalizationReproduction): Promise<LocalizationTables> {
  const { models, data, boxes } = options;
  if (models.length !== 1 && models.length !== 2) {
    throw new UsageError('Tables 8 to 10 need one classification model, or two of different training scales');
  }
  const [first, second] = models as [string, string?];
  checkRecipe(options.recipe);
  if (second !== undefined) await checkScales(first, second);
  await claimFolder(options, 'appendix-a', {
    data: resolve(data),
    boxes: boxes && resolve(boxes),
    recipe: options.recipe,
  });
  const common = { ...options, boxes, models: [] };
  const trained = (name: string, model: string, keys: PartialRecipe) => train(options, name, model, keys);
  const measured = (name: string, how: Partial<LocalizationOptions>) =>
    kept(options, name, () => evaluateLocalization({ ...common, data, models: [], ...how }));
  const nets = {
    'single-fc': await trained('single-fc', first, { regression: 'single', freeze: 'features' }),
    'per-class-fc': await trained('per-class-fc', first, { regression: 'per-class', freeze: 'features' }),
    'per-class-all': await trained('per-class-all', first, { regression: 'per-class' }),
  };
  const center: Record<string, LocalizationResult> = {};
  for (const [name, net] of Object.entries(nets)) {
    center[name] = await measured(`center ${name}`, { models: [net.path] });
  }
  const best = nets['per-class-all'];
  const dense: Record<string, LocalizationResult> = {
    first: await measured('dense first', { models: [best.path], classifiers: [first] }),
  };
  if (second !== undefined) {
    const other = await trained('per-class-all-second', second, { regression: 'per-class' });
    const two = [other.scale - STEP, other.scale].filter((scale) => scale >= other.crop);
    const own = { models: [other.path], classifiers: [second] };
    dense.second = await measured('dense second', own);
    dense['second, two scales'] = await measured('dense second two', { ...own, scales: two });
    dense.fusion = await measured('dense fusion', {
      models: [best.path, other.path],
      classifiers: [first, second],
      modelScales: [[best.scale], two],
    });
  }
  return { center, dense };
}

/** A classification model's network, and the scale S at which it was trained. */
async function modelFacts(model: string) {
  const { network, trainScale } = await readModel(model);
  if (trainScale && trainScale.min === trainScale.max) return { network, scale: trainScale.min };
  throw new UserError(
    `${model} was not trained here at one scale S, which its boxes follow; use one that was`,
  );
}

async function checkScales(first: string, second: string): Promise<void> {
  const [one, other] = [await modelFacts(first), await modelFacts(second)];
  if (one.scale !== other.scale) return;
  throw new UserError(
    `${first} and ${second} were both trained at S = ${one.scale}, but Table 9 compares two scales; name one of them only`,
  );
}

async function train(
  { data, out, boxes, recipe: given, signal, listener, onStep, backend, threads }: LocalizationReproduction,
  name: string,
  model: string,
  keys: PartialRecipe,
): Promise<{ readonly path: string; readonly scale: number; readonly crop: number }> {
  const { network, scale } = await modelFacts(model);
  const folder = runFolder(join(out, name));
  const facts = { path: folder.lastFile, scale, crop: network.crop };
  if ((await kindOf(folder.resultFile)) === 'file') return facts;
  onStep?.(`training ${name}`);
  const shared = { out: folder.path, signal, listener };
  const isNew = (await kindOf(folder.recipeFile)) === 'nothing';
  const outcome = isNew
    ? await trainNetwork({
        ...shared,
        data,
        recipe: resolveRecipe({
          config: network.configuration,
          ...{ width: network.width, crop: network.crop, scale, lr: 0.001 },
          ...{ backend, threads, ...given, ...keys, task: 'localize', boxes, from: model },
        }),
      })
    : await resumeTraining(shared);
  if (outcome.reason === 'interrupted') signal?.throwIfAborted();
  return facts;
}

/** Recipe keys that follow from the tables' rows and from the classification models. */
const DECIDED = [
  'task',
  'boxes',
  'from',
  'regression',
  'freeze',
  'config',
  'width',
  'crop',
  'scale',
] as const;

function checkRecipe(recipe: PartialRecipe = {}): void {
  const decided = DECIDED.find((key) => recipe[key] !== undefined);
  if (decided === undefined) return;
  throw new UsageError(`Tables 8 to 10 decide the recipe key ${decided}; remove it from the recipe`);
}

/**
 * Records what the results in a folder are of, or checks that it is the same as in earlier calls. A second model may be
 * added, or left out again.
 * @throws UserError naming what differs
 */
async function claimFolder(
  { out, models }: AppendixOptions & { readonly models: readonly string[] },
  name: string,
  about: Readonly<Record<string, unknown>>,
): Promise<void> {
  await makeFolder(out);
  const path = join(out, `${name}.json`);
  const checksums: string[] = [];
  for (const model of models) checksums.push((await modelChecksum(model)).sha256);
  const given = JSON.parse(JSON.stringify({ ...about, models: checksums })) as typeof about;
  if ((await kindOf(path)) === 'file') {
    const earlier = JSON.parse(await readFile(path, 'utf8')) as typeof about & { models: string[] };
    const shared = Math.min(checksums.length, earlier.models.length);
    const isSame = (key: string) =>
      key === 'models'
        ? isDeepStrictEqual(checksums.slice(0, shared), earlier.models.slice(0, shared))
        : isDeepStrictEqual(given[key], earlier[key]);
    const differing = ['models', ...Object.keys(about)].find((key) => !isSame(key));
    if (differing !== undefined) {
      throw new UserError(`${out} was started with other ${differing}; choose another --out`);
    }
    if (checksums.length <= earlier.models.length) return;
  }
  await writeFileAtomically(path, `${JSON.stringify(given, undefined, 2)}\n`);
}

/** A result from an earlier call, or a new one, which is written to the folder. */
async function kept<T>(
  { out, onStep }: AppendixOptions,
  name: string,
  compute: () => Promise<T>,
): Promise<T> {
  const path = join(out, `${name.replaceAll(' ', '-')}.json`);
  if ((await kindOf(path)) === 'file') return JSON.parse(await readFile(path, 'utf8')) as T;
  onStep?.(`measuring ${name}`);
  const result = await compute();
  await writeFileAtomically(path, `${JSON.stringify(result, undefined, 2)}\n`);
  return result;
}

export interface TransferReproduction extends AppendixOptions {
  /** The paper's D and E, or models that take their places. */
  readonly models: readonly string[];
  /** Which data set this is; it decides scales, aggregation and splits (appendix B). */
  readonly set: TransferSet;
}

/**
 * Measures a column of Table 11: each model, and both together.
 * @throws UserError as `transferFeatures` does
 */
export async function reproduceTransfer(options: TransferReproduction): Promise<TransferResult[]> {
  const { models, set } = options;
  if (models.length !== 1 && models.length !== 2) throw new UsageError('Table 11 needs one model or two');
  if (!transferSets.includes(set)) throw new UsageError(`there is no data set ${set} in Table 11`);
  await claimFolder(options, `appendix-b-${set}`, { data: resolve(options.data) });
  const settings = {
    'VOC-2007': VOC,
    'VOC-2012': VOC,
    'Caltech-101': { ...CALTECH, trainPerClass: 30, testPerClass: 50 },
    'Caltech-256': { ...CALTECH, trainPerClass: 60 },
  }[set];
  const rows = models.length === 1 ? [models] : [[models[0]!], [models[1]!], models];
  const results: TransferResult[] = [];
  for (const [index, own] of rows.entries()) {
    results.push(
      await kept(options, `transfer ${set} ${index + 1}`, () =>
        transferFeatures({ ...options, ...settings, models: own, out: undefined }),
      ),
    );
  }
  return results;
}

const VOC = { scales: [256, 384, 512, 640, 768], aggregate: 'average' } as const;
const CALTECH = { scales: [256, 384, 512], aggregate: 'stack', splits: 3 } as const;
