/**
 * A plan says which networks are trained at which scales: the experiments of section 4 on some data set. Its
 * stages are the columns of Table 3; what each training starts from follows from the paper (chain.ts).
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf, UserError } from '../core/errors.ts';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';

const configuration = z.enum(configurationNames as [ConfigurationName, ...ConfigurationName[]]);
const recipe = z.record(z.string(), z.unknown());

const planSchema = z.strictObject({
  title: z.string().describe('what the report is headed with'),
  recipe: recipe.default({}).describe('recipe keys of every training'),
  stages: z
    .array(
      z.strictObject({
        scale: z
          .union([z.string(), z.number()])
          .transform(String)
          .describe('the training scale S: 256, or 256..512'),
        nets: z.array(configuration).min(1),
        recipe: recipe.default({}).describe('recipe keys of this stage'),
      }),
    )
    .min(1),
});

export type PlanFile = z.output<typeof planSchema>;

/**
 * Reads a plan.
 * @throws UserError naming the file, the key and what is wrong.
 */
export async function readPlanFile(path: string): Promise<PlanFile> {
  let parsed: unknown;
  try {
    parsed = parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new UserError(`the plan ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  return parsePlan(parsed, path);
}

/** @throws UserError naming the key and what is wrong. */
export function parsePlan(value: unknown, path: string): PlanFile {
  const result = planSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new UserError(`${path}: ${issue.path.join('.') || 'plan'}: ${issue.message}`);
}
