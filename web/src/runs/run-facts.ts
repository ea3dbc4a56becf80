/** What the views of runs show about one. */
import type { RunSummary } from '../../../src/serve/contract/run-schemas.ts';

/** The name that a person gave the run, or that of its folder. */
export function nameOf({ id, name }: RunSummary): string {
  return name || id;
}

/** With five classes or fewer, the top-5 error is always 0. */
export function hasTop5({ classes, best }: RunSummary): boolean {
  return classes === undefined ? (best?.top5Error ?? 0) > 0 : classes > 5;
}

/** Whether a run ended before its last iteration because the validation error stopped improving. */
export function endedEarly({ state, iteration, totalIterations }: RunSummary): boolean {
  return state === 'finished' && totalIterations !== undefined && iteration < totalIterations;
}
