/** Runs as `GET /v1/runs` describes them. */
import { lstat } from 'node:fs/promises';
import { basename } from 'node:path';
import { hidePathsIn } from '../../core/hide-paths.ts';
import { validationsOf } from '../../runs/metrics-file.ts';
import { type RunDescription, readRunDescription, readRunResult } from '../../runs/run-folder.ts';
import { type FoundRun, isFile, type RunList, stateOf } from '../../runs/run-list.ts';
import { readRunNotes } from '../../runs/run-notes.ts';
import type { Metrics } from '../../train/metrics.ts';
import { formatRecipe } from '../../train/recipe-file.ts';
import type { RunResponse, RunSummary, StateEvent } from '../contract/run-schemas.ts';
import { classesOf } from './run-models.ts';

/** All runs of the folder, the newest first. Runs that cannot be read are left out. */
export async function summarizeRuns(runs: RunList): Promise<RunSummary[]> {
  const read = await Promise.allSettled((await runs.list()).map((run) => summarizeRun(runs, run)));
  return read
    .flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt) || a.id.localeCompare(b.id));
}

async function summarizeRun(runs: RunList, run: FoundRun): Promise<RunSummary> {
  const { id, folder } = run;
  const description = await readRunDescription(folder.path);
  const metrics = runs.metrics(run);
  await metrics.update();
  const { best, last: lastValidation } = validationsOf(metrics.lines);
  const last = metrics.lines.at(-1);
  const hasModel = await isFile(folder.lastFile);
  const state = await stateEvent(run);
  const totalIterations = totalOf(description, lastValidation ?? last);
  return {
    id,
    title: titleOf(description),
    ...(await readRunNotes(folder)),
    config: description.recipe.config,
    task: description.recipe.task,
    ...state,
    startedAt: (await timeOf(folder.recipeFile)) ?? new Date(0).toISOString(),
    epoch: last?.epoch ?? 0,
    iteration: last?.iteration ?? 0,
    totalIterations,
    secondsLeft: state.state === 'running' ? secondsLeft(metrics.lines, totalIterations) : undefined,
    classes: hasModel ? await classesOf(folder.lastFile) : undefined,
    best: best && {
      top1Error: best.top1Error,
      top5Error: best.top5Error,
      meanClassError: best.meanClassError,
      split: best.split,
      iteration: best.iteration,
    },
    // Reports, cards and the page's predictions are about classes.
    hasReport: hasModel && description.recipe.task !== 'localize',
    hasModel,
  };
}

export async function describeRun(runs: RunList, run: FoundRun): Promise<RunResponse> {
  const [summary, { recipe }, result] = await Promise.all([
    summarizeRun(runs, run),
    readRunDescription(run.folder.path),
    readRunResult(run.folder),
  ]);
  const shown = hidePathsIn(recipe);
  const given = Object.entries(shown).filter(([, value]) => value !== undefined);
  return {
    ...summary,
    recipe: Object.fromEntries(given) as RunResponse['recipe'],
    recipeYaml: formatRecipe(shown),
    result,
  };
}

export async function stateEvent({ folder }: FoundRun): Promise<StateEvent> {
  const updatedAt = (await timeOf(folder.metricsFile)) ?? (await timeOf(folder.recipeFile));
  return { state: await stateOf(folder), updatedAt: updatedAt ?? new Date(0).toISOString() };
}

async function timeOf(path: string): Promise<string | undefined> {
  return lstat(path).then(
    ({ mtime }) => mtime.toISOString(),
    () => undefined,
  );
}

function titleOf({ data, recipe }: RunDescription): string {
  const width = recipe.width === 1 ? '' : `, width ${recipe.width}`;
  const boxes = recipe.task === 'localize' ? '; its errors are box errors' : '';
  return `network ${recipe.config}${width}, on ${basename(data)}${boxes}`;
}

/** The time left at the speed of the later half of the metrics so far. */
function secondsLeft(lines: readonly Metrics[], total: number | undefined): number | undefined {
  const last = lines.at(-1);
  const earlier = lines[Math.floor(lines.length / 2)];
  if (!last || !earlier || total === undefined || last.iteration <= earlier.iteration) return undefined;
  const perIteration = (last.seconds - earlier.seconds) / (last.iteration - earlier.iteration);
  return Math.max(0, total - last.iteration) * perIteration;
}

/** A recipe counts in epochs: how many iterations those are follows from the iterations so far. */
function totalOf(
  { recipe }: RunDescription,
  seen: { readonly epoch: number; readonly iteration: number } | undefined,
): number | undefined {
  if (recipe.iterations !== undefined) return recipe.iterations;
  return seen && seen.epoch > 0 ? Math.round((recipe.epochs * seen.iteration) / seen.epoch) : undefined;
}
