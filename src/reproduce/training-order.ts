/**
 * The trainings of a plan in order, and the weights that each starts from (paper, section 3.1). At the first scale, A and
 * A-LRN start from random weights and the deeper nets from A; at each later scale, every net starts from its own weights
 * at the previous scale.
 */
import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import type { Recipe } from '../train/recipe.ts';
import { resolveRecipe } from '../train/resolve-recipe.ts';
import type { ReproductionPlan } from './reproduction-plan.ts';

/** One training of a plan. */
export interface PlannedTraining {
  /** `d-256-512` */
  readonly id: string;
  readonly net: ConfigurationName;
  /** Number of its stage in the plan, from 0. */
  readonly stage: number;
  /** The run folder. */
  readonly folder: string;
  /** The model file that later trainings start from and that is evaluated. */
  readonly model: string;
  readonly recipe: Recipe;
}

/** Nets that the paper starts from net A. */
const DEEPER: readonly ConfigurationName[] = ['B', 'C', 'D', 'E'];

/**
 * The trainings, each after those that it starts from.
 * @param folder parent of the run folders
 * @param origin file of the plan, for messages
 * @throws UserError when a stage lists a net twice or a recipe is not valid.
 */
export function planTrainings(plan: ReproductionPlan, folder: string, origin: string): PlannedTraining[] {
  const trainings: PlannedTraining[] = [];
  for (const [stage, { scale, nets, recipe }] of plan.stages.entries()) {
    for (const net of [...nets].sort(byDepth)) {
      const id = trainingId(net, scale);
      if (trainings.some((training) => training.id === id)) {
        throw new UserError(`${origin}: duplicate net ${net} at scale ${scale}; remove one`);
      }
      const path = join(folder, id);
      trainings.push({
        id,
        net,
        stage,
        folder: path,
        model: join(path, 'last.safetensors'),
        recipe: resolveRecipe(
          { ...plan.recipe, ...recipe, config: net, scale, ...startOf(net, stage, trainings) },
          `${origin}, ${id}`,
        ),
      });
    }
  }
  return trainings;
}

/** `d-256`, `d-256-512` */
function trainingId(net: ConfigurationName, scale: string): string {
  const { min, max } = parseTrainScale(scale);
  return [net.toLowerCase(), min, ...(max > min ? [max] : [])].join('-');
}

function startOf(
  net: ConfigurationName,
  stage: number,
  earlier: readonly PlannedTraining[],
): { from?: string; 'from-shallower'?: string } {
  const own = earlier.findLast((training) => training.net === net && training.stage < stage);
  if (own) return { from: own.model };
  const shallow = earlier.find((training) => training.net === 'A');
  return DEEPER.includes(net) && shallow ? { 'from-shallower': shallow.model } : {};
}

/** Table 1's order, with the shallow B-5x5 beside B. */
const ORDER: readonly ConfigurationName[] = ['A', 'A-LRN', 'B', 'B-5x5', 'C', 'D', 'E'];

function byDepth(a: ConfigurationName, b: ConfigurationName): number {
  return ORDER.indexOf(a) - ORDER.indexOf(b);
}
