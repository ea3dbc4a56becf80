/**
 * Plan files of `vgg reproduce` list which nets are trained at which scales. The stages are the columns of Table 3; the
 * initial weights of each training follow from the paper (training-order.ts).
 */
import { z } from 'zod';
import { UserError } from '../core/errors.ts';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';
import { readYaml } from '../train/recipe-file.ts';

const configuration = z.enum(configurationNames as [ConfigurationName, ...ConfigurationName[]]);
const recipe = z.record(z.string(), z.unknown()).default({});

const planSchema = z.strictObject({
  title: z.string().describe('heading of the report'),
  seeds: z
    .union([
      z
        .int()
        .min(1)
        .max(1000)
        .transform((count) => Array.from({ length: count }, (_, i) => i + 1)),
      z
        .array(z.int().min(0))
        .min(1)
        .refine((seeds) => new Set(seeds).size === seeds.length, 'must differ'),
    ])
    .optional()
    .describe(
      'seeds of the trainings, or their number: every experiment is repeated for each (default: one, that of the recipe)',
    ),
  weights: z
    .enum(['last', 'best'])
    .optional()
    .describe('the weights that are evaluated: the last (default), or the best in validation'),
  'twice-the-epochs': z
    .array(z.string())
    .optional()
    .describe(
      'trainings such as d-36 that are repeated for twice the epochs, with the first seed, to see what more training gains',
    ),
  recipe: recipe.describe('recipe keys of every training'),
  stages: z
    .array(
      z.strictObject({
        scale: z
          .union([z.string(), z.number()])
          .transform(String)
          .describe('training scale S in pixels: 256, or 256..512 for scale jittering'),
        nets: z.array(configuration).min(1),
        recipe: recipe.describe('recipe keys of this stage'),
      }),
    )
    .min(1),
});

export type ReproductionPlan = z.infer<typeof planSchema>;

/** @throws UserError naming the file, the key and the fault. */
export async function readReproductionPlan(path: string): Promise<ReproductionPlan> {
  return parseReproductionPlan(await readYaml(path, 'plan'), path);
}

/** @throws UserError naming the key and the fault. */
export function parseReproductionPlan(value: unknown, path: string): ReproductionPlan {
  const result = planSchema.safeParse(value);
  if (result.success) return checked(result.data, path);
  const issue = result.error.issues[0]!;
  throw new UserError(`${path}: ${issue.path.join('.') || 'plan'}: ${issue.message}`);
}

/** @throws UserError for keys that contradict each other. */
function checked(plan: ReproductionPlan, path: string): ReproductionPlan {
  const recipes = [plan, ...plan.stages].map(({ recipe }) => recipe);
  if (plan.seeds && recipes.some((recipe) => 'seed' in recipe)) {
    throw new UserError(`${path}: seeds and the recipe key seed cannot be used together; keep one`);
  }
  return plan;
}
