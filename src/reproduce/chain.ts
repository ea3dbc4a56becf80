/**
 * The order of trainings and what each starts from (paper, section 3.1): at the first scale A and A-LRN from
 * random weights, the deeper nets from A; at each later scale every net from its own weights at the scale before.
 */
import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import type { Recipe } from '../train/recipe.ts';
import { resolveRecipe } from '../train/resolve-recipe.ts';
import type { PlanFile } from './plan-file.ts';

/** One training of a plan. */
export interface PlannedRun {
  /** `d-256-512` */
  readonly id: string;
  readonly net: ConfigurationName;
  readonly stage: number;
  readonly folder: string;
  /** The model that others start from and that is evaluated. */
  readonly model: string;
  readonly recipe: Recipe;
}

/** Nets that the paper starts from net A. */
const DEEPER: readonly ConfigurationName[] = ['B', 'C', 'D', 'E'];

/**
 * The trainings in an order in which each finds what it starts from.
 * @param folder where run folders go
 * @throws UserError when a net appears in a later stage only, twice, or has a recipe that is none.
 */
export function planRuns(plan: PlanFile, folder: string, origin: string): PlannedRun[] {
  const runs: PlannedRun[] = [];
  for (const [stage, { scale, nets, recipe }] of plan.stages.entries()) {
    for (const net of [...nets].sort(byDepth)) {
      const id = runId(net, scale);
      if (runs.some((run) => run.id === id))
        throw new UserError(`${origin}: ${net} stands twice at scale ${scale}`);
      const path = join(folder, id);
      runs.push({
        id,
        net,
        stage,
        folder: path,
        model: join(path, 'last.safetensors'),
        recipe: resolveRecipe(
          { ...plan.recipe, ...recipe, config: net, scale, ...startOf(net, stage, runs) },
          `${origin}, ${id}`,
        ),
      });
    }
  }
  return runs;
}

/** `d-256`, `d-256-512` */
export function runId(net: ConfigurationName, scale: string): string {
  const { min, max } = parseTrainScale(scale);
  return [net.toLowerCase(), min, ...(max > min ? [max] : [])].join('-');
}

function startOf(
  net: ConfigurationName,
  stage: number,
  before: readonly PlannedRun[],
): { from?: string; 'from-shallower'?: string } {
  if (stage > 0) {
    const own = before.findLast((run) => run.net === net && run.stage < stage);
    if (own) return { from: own.model };
  }
  const shallow = before.find((run) => run.net === 'A');
  return DEEPER.includes(net) && shallow ? { 'from-shallower': shallow.model } : {};
}

const ORDER: readonly ConfigurationName[] = ['A', 'A-LRN', 'B', 'B-5x5', 'C', 'D', 'E'];

function byDepth(a: ConfigurationName, b: ConfigurationName): number {
  return ORDER.indexOf(a) - ORDER.indexOf(b);
}
