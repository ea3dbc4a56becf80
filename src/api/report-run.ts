/** Gathers the report of a run: metrics, the evaluation of its last model, and pictures. */
import { UserError } from '../core/errors.ts';
import { loadModels } from '../evaluate/inference/load-model.ts';
import { confusionMatrix, type EvaluationResult, measureByClass } from '../evaluate/results/error-rates.ts';
import type { ImageResult, ImageResults } from '../evaluate/results/image-results.ts';
import { filterPicture } from '../report/filter-picture.ts';
import { formatCount, formatDuration } from '../report/format.ts';
import { drawMistake } from '../report/mistake-pictures.ts';
import type { Mistake, RunReport } from '../report/run-report.ts';
import { readMetrics } from '../runs/metrics-file.ts';
import { type RunDescription, readRunDescription, runFolder } from '../runs/run-folder.ts';
import type { Metrics } from '../train/metrics.ts';
import { formatRecipe } from '../train/recipe-file.ts';
import { type EvaluationProgress, evaluateWithImages } from './evaluate-model.ts';

export interface ReportOptions {
  /** The run folder. */
  readonly run: string;
  /** Labeled images (default: the run's data). Which of them are evaluated: see `evaluateModel`. */
  readonly data?: string;
  /** How many mistakes to show (default 12). */
  readonly mistakes?: number;
  /** Default: all cores. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  onProgress?(progress: EvaluationProgress): void;
}

/**
 * Evaluates a run's last model densely and gathers the report.
 * @throws UserError when the folder is not a run, it has no model yet, or its data is gone.
 */
export async function reportRun(options: ReportOptions): Promise<RunReport> {
  const { run, signal, threads, mistakes: count = 12 } = options;
  const description = await readRunDescription(run);
  const { lastFile, metricsFile } = runFolder(run);
  const { backend } = description.recipe;
  const data = options.data ?? description.data;
  const { result: found, source } = await evaluateWithImages({
    data,
    model: lastFile,
    backend,
    threads,
    signal,
    // Training left them out, too, and said so.
    onBad: description.recipe['skip-bad'] ? () => {} : undefined,
    onProgress: (progress) => options.onProgress?.(progress),
  });
  if (found.labeled === 0) {
    throw new UserError(`the images of ${data} have no labels; name labeled images with --data`);
  }
  const metrics = await readMetrics(metricsFile);
  const { labels, classes, protocol, scales, labeled, results } = found;
  const [model] = await loadModels([lastFile], { backend, threads });
  const { facts, parameters } = model!;
  try {
    const mistakes: Mistake[] = [];
    for (const mistake of mostConfidentMistakes(results, count)) {
      mistakes.push(await drawMistake(model!, source, mistake, scales.at(-1)!));
    }
    return {
      run,
      facts: factsOf(description, data, metrics, labels.length, facts.network.weightLayers),
      recipe: formatRecipe(description.recipe),
      metrics,
      labels,
      evaluation: { ...ratesOf(found), images: labeled, protocol, scales },
      byClass: measureByClass(results, classes.length),
      confusion: confusionMatrix(results, classes.length),
      mistakes,
      filters: await filterPicture(await parameters.read('values', 'conv1_1.weight'), facts.network),
    };
  } finally {
    parameters.dispose();
  }
}

function ratesOf({ loss, top1Error, top5Error, meanClassError, split, trainedOn }: EvaluationResult) {
  return { loss, top1Error, top5Error, meanClassError, split, trainedOn };
}

function mostConfidentMistakes(results: ImageResults, count: number): ImageResult[] {
  return [...results]
    .filter(({ rank }) => rank >= 1)
    .sort((a, b) => b.top[0]!.probability - a.top[0]!.probability || a.image - b.image)
    .slice(0, count);
}

function factsOf(
  { recipe }: RunDescription,
  data: string,
  metrics: readonly Metrics[],
  classes: number,
  weightLayers: number,
): [string, string][] {
  const last = metrics.at(-1);
  return [
    ['network', `${recipe.config}, ${weightLayers} weight layers, width ${recipe.width}`],
    ['classes', formatCount(classes)],
    ['data', data],
    ['crop and scale', `crop ${recipe.crop}, S = ${recipe.scale}`],
    [
      'trained',
      last ? `${formatCount(last.iteration)} iterations, ${formatDuration(last.seconds)}` : 'not yet',
    ],
  ];
}
