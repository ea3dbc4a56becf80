/** Gathers what a report shows of a run: its metrics, how its model does on the validation images, pictures. */
import { UserError } from '../core/errors.ts';
import { openImages } from '../data/sources/open-images.ts';
import { confusionMatrix, measureByClass } from '../evaluate/error-rates.ts';
import type { ImageResults } from '../evaluate/image-results.ts';
import { formatCount, formatDuration } from '../report/format.ts';
import type { RunReport } from '../report/run-report.ts';
import { readMetrics } from '../runs/metrics-file.ts';
import { type RunDescription, readRunDescription, runFolder } from '../runs/run-folder.ts';
import type { Metrics } from '../train/metrics.ts';
import { formatRecipe } from '../train/recipe-file.ts';
import { readModel } from '../weights/model/model-file.ts';
import { type EvaluationProgress, evaluateModel } from './evaluate-model.ts';
import { filterPicture } from './filter-picture.ts';
import { drawMistakes } from './mistake-pictures.ts';

export interface ReportOptions {
  readonly run: string;
  /** Labelled images (default: the validation images of the run's own data). */
  readonly data?: string;
  /** Mistakes that are shown (default 12). */
  readonly mistakes?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  onProgress?(progress: EvaluationProgress): void;
}

/**
 * Evaluates a run's last model densely and gathers the report.
 * @throws UserError when there is no run, it has no model yet, or its data has gone.
 */
export async function reportRun(options: ReportOptions): Promise<RunReport> {
  const { run, signal, mistakes: count = 12 } = options;
  const description = await readRunDescription(run);
  const folder = runFolder(run);
  const data = options.data ?? description.data;
  const { tensors, ...facts } = await readModel(folder.lastFile);
  const found = await evaluateModel({
    data,
    model: folder.lastFile,
    backend: description.recipe.backend,
    threads: options.threads,
    signal,
    onProgress: (progress) => options.onProgress?.(progress),
  });
  if (found.labeled === 0) {
    throw new UserError(
      `the images of ${data} have no labels, so there is nothing to report; name others with --data`,
    );
  }
  const source = await openImages(data, { split: 'val' });
  const metrics = await readMetrics(folder.metricsFile);
  const { labels, classes, protocol, scales, loss, top1Error, top5Error, labeled } = found;
  return {
    run,
    facts: factsOf(description, data, metrics, labels.length, facts.network.weightLayers),
    recipe: formatRecipe(description.recipe),
    metrics,
    labels,
    evaluation: { images: labeled, loss, top1Error, top5Error, protocol, scales },
    byClass: measureByClass(found.results, classes.length),
    confusion: confusionMatrix(found.results, classes.length),
    mistakes: await drawMistakes({
      source,
      modelFile: folder.lastFile,
      scale: scales.at(-1)!,
      mistakes: surestMistakes(found.results, count),
      backend: description.recipe.backend,
    }),
    filters: await filterPicture(tensors.get('conv1_1.weight')!, facts.network),
  };
}

/** Images that were given a wrong class with the greatest certainty. */
function surestMistakes(results: ImageResults, count: number) {
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
