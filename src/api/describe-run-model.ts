/** Gathers the model card of a run's model. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '../core/errors.ts';
import { sha256OfFile } from '../core/files.ts';
import { formatTrainScale, parseTrainScale, testScaleFor } from '../core/scale.ts';
import type { ModelCard } from '../report/model-card.ts';
import { readMetrics, validationsOf } from '../runs/metrics-file.ts';
import { readRunDescription, runFolder } from '../runs/run-folder.ts';
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
    result: selected ? best : last,
    selected,
    seconds: metrics.at(-1)?.seconds,
    file: { name: basename(file), bytes: (await stat(file)).size, sha256: await sha256OfFile(file) },
  };
}
