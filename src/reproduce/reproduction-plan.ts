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
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new UserError(`${path}: ${issue.path.join('.') || 'plan'}: ${issue.message}`);
}
