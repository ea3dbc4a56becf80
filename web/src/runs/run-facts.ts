/** What the views of runs show about one. */
import type { RunSummary } from '../../../src/serve/contract/run-schemas.ts';

/** The name that a person gave the run, or that of its folder. */
export function nameOf({ id, name }: RunSummary): string {
  return name || id;
}

/** With five classes or fewer, the top-5 error is always 0; boxes have none. */
export function hasTop5({ task, classes, best }: RunSummary): boolean {
  if (task === 'localize') return false;
  return classes === undefined ? (best?.top5Error ?? 0) > 0 : classes > 5;
}

/** What the first error of some runs is: of classes, of boxes, or either. */
export function errorName(runs: readonly RunSummary[]): string {
  if (!hasBoxes(runs)) return 'top-1 error';
  return runs.every(({ task }) => task === 'localize') ? 'box error' : 'top-1 or box error';
}

/** Whether a run learns boxes: its loss is the Euclidean one, which is not in nats. */
export function hasBoxes(runs: readonly RunSummary[]): boolean {
  return runs.some(({ task }) => task === 'localize');
}

/** Whether a run ended before its last iteration because the validation error stopped improving. */
export function endedEarly({ state, iteration, totalIterations }: RunSummary): boolean {
  return state === 'finished' && totalIterations !== undefined && iteration < totalIterations;
}
