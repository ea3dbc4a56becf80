/**
 * The trainings of a plan in order, and the weights that each starts from (paper, section 3.1). At the first scale, A and
 * A-LRN start from random weights and the deeper nets from A; at each later scale, every net starts from its own weights
 * at the previous scale.
 */
import { basename, join } from 'node:path';
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

/** The trainings of a plan with one seed, in a folder of their own if the plan lists seeds. */
export interface SeedTrainings {
  /** Undefined for a plan without seeds. */
  readonly seed?: number;
  readonly folder: string;
  /** Name of the folder in that of the reproduction: `seed-1/`, or nothing for a plan without seeds. */
  readonly prefix: string;
  readonly trainings: readonly PlannedTraining[];
  /** Trainings for twice the epochs, which are compared and not evaluated; the first seed only. */
  readonly longer: readonly PlannedTraining[];
}

/** @throws UserError as `planTrainings` does. */
export function planSeeds(plan: ReproductionPlan, out: string, origin: string): SeedTrainings[] {
  return (plan.seeds ?? [undefined]).map((seed, index) => {
    const prefix = seed === undefined ? '' : `seed-${seed}/`;
    const folder = join(out, prefix);
    const trainings = planTrainings(plan, join(folder, 'runs'), origin, seed);
    return {
      seed,
      folder,
      prefix,
      trainings,
      longer: index === 0 ? longerTrainings(plan, trainings, origin) : [],
    };
  });
}

/**
 * The trainings, each after those that it starts from.
 * @param folder parent of the run folders
 * @param origin file of the plan, for messages
 * @param seed of all trainings (default: that of the plan's recipe)
 * @throws UserError when a stage lists a net twice or a recipe is not valid.
 */
export function planTrainings(
  plan: ReproductionPlan,
  folder: string,
  origin: string,
  seed?: number,
): PlannedTraining[] {
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
        model: join(path, `${plan.weights ?? 'last'}.safetensors`),
        recipe: resolveRecipe(
          {
            ...plan.recipe,
            ...recipe,
            ...(seed !== undefined && { seed }),
            config: net,
            scale,
            ...startOf(net, stage, trainings),
          },
          `${origin}, ${id}`,
        ),
      });
    }
  }
  return trainings;
}

/**
 * The trainings of the plan's `twice-the-epochs`: from the same start with twice the epochs, and each drop of the rate at
 * twice its epoch.
 */
function longerTrainings(
  plan: ReproductionPlan,
  trainings: readonly PlannedTraining[],
  origin: string,
): PlannedTraining[] {
  const ids = plan['twice-the-epochs'] ?? [];
  const unknown = ids.find((id) => !trainings.some((training) => training.id === id));
  if (unknown !== undefined) {
    const known = trainings.map(({ id }) => id).join(', ');
    throw new UserError(`${origin}: twice-the-epochs: no training ${unknown}; the trainings are ${known}`);
  }
  return trainings
    .filter(({ id }) => ids.includes(id))
    .map((training): PlannedTraining => {
      const { recipe } = training;
      const id = `${training.id}-twice`;
      const path = join(training.folder, '..', id);
      const dropAt = recipe['lr-drop-at']?.split(',').map((moment) => {
        const amount = 2 * Number.parseFloat(moment);
        return moment.trim().endsWith('e') ? `${amount}e` : String(amount);
      });
      const longer: Recipe = {
        ...recipe,
        epochs: 2 * recipe.epochs,
        iterations: recipe.iterations && 2 * recipe.iterations,
        'lr-drop-at': dropAt?.join(),
        'average-from': recipe['average-from'] && 2 * recipe['average-from'],
      };
      return { ...training, id, folder: path, model: join(path, basename(training.model)), recipe: longer };
    });
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
