/** Gathers what a model card says of a run's model. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '../core/errors.ts';
import { sha256OfFile } from '../core/files.ts';
import { formatTrainScale, parseTrainScale, testScaleFor } from '../core/scale.ts';
import type { ModelCard } from '../report/card.ts';
import { readMetrics } from '../runs/metrics-file.ts';
import { readRunDescription, runFolder } from '../runs/run-folder.ts';
import type { Metrics } from '../train/metrics.ts';
import { formatRecipe } from '../train/recipe-file.ts';
import { readModel } from '../weights/model/model-file.ts';

export interface CardOptions {
  readonly run: string;
  /** What the data is called (default: its folder's name). */
  readonly dataset?: string;
  /** Identifier of the weights' licence (default: what the model file says). */
  readonly license?: string;
}

/**
 * Describes a run's best model, or its last where no validation has chosen one.
 * @throws UserError when there is no run, or it has no model yet.
 */
export async function describeRunModel({ run, dataset, license }: CardOptions): Promise<ModelCard> {
  const { data, recipe } = await readRunDescription(run);
  const folder = runFolder(run);
  const chosen = existsSync(folder.bestFile);
  const file = chosen ? folder.bestFile : folder.lastFile;
  if (!existsSync(file)) {
    throw new UserError(`${run} has no model yet; wait for its first checkpoint, or go on with --resume`);
  }
  const { network, labels, meanRgb, provenance, license: own } = await readModel(file);
  const metrics = await readMetrics(folder.metricsFile).catch((): Metrics[] => []);
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
    result: resultOf(metrics, chosen),
    chosen,
    seconds: metrics.at(-1)?.seconds,
    file: { name: basename(file), bytes: (await stat(file)).size, sha256: await sha256OfFile(file) },
  };
}

/** The validation of the best model is the first of the smallest error; the last model's is the last. */
function resultOf(metrics: readonly Metrics[], best: boolean) {
  const validations = metrics.filter((line) => line.kind === 'validation');
  return best
    ? validations.reduce<(typeof validations)[number] | undefined>(
        (least, line) => (least && least.top1Error <= line.top1Error ? least : line),
        undefined,
      )
    : validations.at(-1);
}
