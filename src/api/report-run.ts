/** Gathers the report of a run: metrics, the evaluation of its last model, and pictures. */
import { existsSync } from 'node:fs';
import { basename, isAbsolute, relative } from 'node:path';
import { UserError } from '../core/errors.ts';
import { hideFolder } from '../core/hide-paths.ts';
import { loadModels } from '../evaluate/inference/load-model.ts';
import { confusionMatrix, type EvaluationResult, measureByClass } from '../evaluate/results/error-rates.ts';
import type { ImageResult } from '../evaluate/results/image-results.ts';
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
  /** Which model to evaluate (default: the best one; before the first validation the last one). */
  readonly checkpoint?: RunReport['checkpoint'];
  /** How many mistakes to show (default 12). */
  readonly mistakes?: number;
  /** Default: all cores. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  onProgress?(progress: EvaluationProgress): void;
}

/**
 * Evaluates a run's best model densely and gathers the report.
 * @throws UserError when the folder is not a run, it has no model yet, or its data is gone.
 */
export async function reportRun(options: ReportOptions): Promise<RunReport> {
  const { run, signal, threads, mistakes: count = 12 } = options;
  const description = await readRunDescription(run);
  const { bestFile, lastFile, metricsFile } = runFolder(run);
  const { checkpoint = existsSync(bestFile) ? 'best' : 'last' } = options;
  const file = checkpoint === 'best' ? bestFile : lastFile;
  const { backend } = description.recipe;
  const data = options.data ?? description.data;
  const { result: found, source } = await evaluateWithImages({
    data,
    model: file,
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
  const [model] = await loadModels([file], { backend, threads });
  const { facts, parameters } = model!;
  try {
    const mistakes: Mistake[] = [];
    for (const mistake of mostConfidentMistakes(results, count)) {
      const drawn = await drawMistake(model!, source, mistake, scales.at(-1)!);
      mistakes.push({ ...drawn, name: hideFolder(drawn.name, data) });
    }
    return {
      run: shorten(run),
      checkpoint,
      facts: factsOf(description, shorten(data), metrics, labels.length, facts.network.weightLayers),
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

/** A path below the current folder relative to it; of others only the name: the page may be read elsewhere. */
function shorten(path: string): string {
  const below = relative('.', path);
  return below.startsWith('..') || isAbsolute(below) ? basename(path) : below;
}

/** Of each pair of a true and a predicted class the most confident mistake first, then the second of each, and so on. */
export function mostConfidentMistakes(results: Iterable<ImageResult>, count: number): ImageResult[] {
  const sorted = [...results]
    .filter(({ rank }) => rank >= 1)
    .sort((a, b) => b.top[0]!.probability - a.top[0]!.probability || a.image - b.image);
  const seen = new Map<string, number>();
  const rounds = sorted.map((mistake) => {
    const pair = `${mistake.label} ${mistake.top[0]!.index}`;
    const round = seen.get(pair) ?? 0;
    seen.set(pair, round + 1);
    return { mistake, round };
  });
  // Sorting is stable.
  rounds.sort((a, b) => a.round - b.round);
  return rounds.slice(0, count).map(({ mistake }) => mistake);
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
