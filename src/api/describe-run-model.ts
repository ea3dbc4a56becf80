/** Gathers the model card of a run's model. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '../core/errors.ts';
import { sha256OfFile } from '../core/files.ts';
import { guessingError } from '../core/guessing.ts';
import { formatTrainScale, parseTrainScale, testScaleFor } from '../core/scale.ts';
import { holdOut } from '../data/sources/hold-out.ts';
import type { ModelCard } from '../report/model-card.ts';
import { readMetrics, validationsOf } from '../runs/metrics-file.ts';
import { type RunFolder, readDataRecord, readRunDescription, runFolder } from '../runs/run-folder.ts';
import type { ValidationMetrics } from '../train/metrics.ts';
import type { Recipe } from '../train/recipe.ts';
import { formatRecipe } from '../train/recipe-file.ts';
import { readModel } from '../weights/model/read-model.ts';

export interface CardOptions {
  /** The run folder. */
  readonly run: string;
  /** Name of the data set (default: the name of its folder). */
  readonly dataset?: string;
  /** SPDX identifier of the weights' license (default: the model file's). */
  readonly license?: string;
}

/**
 * Describes a run's best model, or its last one before the first validation.
 * @throws UserError when the folder is not a run, or it has no model yet.
 */
export async function describeRunModel({ run, dataset, license }: CardOptions): Promise<ModelCard> {
  const { data, recipe } = await readRunDescription(run);
  const folder = runFolder(run);
  const selected = existsSync(folder.bestFile);
  const file = selected ? folder.bestFile : folder.lastFile;
  if (!existsSync(file)) {
    throw new UserError(
      `${run} has no model yet; wait for its first checkpoint, or continue it with --resume`,
    );
  }
  const { network, labels, meanRgb, provenance, license: own } = await readModel(file);
  const metrics = await readMetrics(folder.metricsFile);
  const { best, last } = validationsOf(metrics);
  const result = selected ? best : last;
  const trainScale = parseTrainScale(recipe.scale);
  return {
    name: basename(run),
    dataset: dataset ?? basename(data),
    dataFingerprint: provenance.dataFingerprint,
    license: license ?? own,
    createdBy: provenance.createdBy,
    network,
    labels,
    meanRgb,
    trainScale: formatTrainScale(trainScale),
    testScale: testScaleFor(trainScale),
    recipe: formatRecipe(recipe),
    result,
    guessing: result && (await guessingOf(folder, recipe, result)),
    selected,
    seconds: metrics.at(-1)?.seconds,
    file: { name: basename(file), bytes: (await stat(file)).size, sha256: await sha256OfFile(file) },
  };
}

/** The error of always naming the commonest class; undefined if the labels of the validation are not known. */
async function guessingOf(
  folder: RunFolder,
  { holdout, seed }: Recipe,
  { split, images }: ValidationMetrics,
): Promise<number | undefined> {
  const record = await readDataRecord(folder);
  if (!record) return undefined;
  const { training, validation } = record;
  const held = split === 'held-out' ? holdOut(Int32Array.from(training.labels), holdout, seed) : undefined;
  const labels = held ? Array.from(held.validation, (image) => training.labels[image]!) : validation?.labels;
  // A limit, or images that were lost, make it other images than these.
  if (labels?.length !== images) return undefined;
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return guessingError([...counts.values()]);
}
