import { InvalidArgumentError, Option } from 'commander';
import { chooseRecipe } from '../../api/choose-recipe.ts';
import { resumeTraining } from '../../api/resume-training.ts';
import type { TrainOutcome } from '../../api/run-training.ts';
import { trainNetwork } from '../../api/train-network.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { InterruptedError, UsageError } from '../../core/errors.ts';
import { presentBackendName } from '../../kernels/backend-options.ts';
import { isDataKey } from '../../train/data-defaults.ts';
import {
  type Recipe,
  type RecipeKey,
  type RecipeKeyFacts,
  recipeKeys,
  recipeSchema,
} from '../../train/recipe.ts';
import { readRecipeAndData } from '../../train/recipe-file.ts';
import { faultOf, resolveRecipe } from '../../train/resolve-recipe.ts';
import { type FlagsOf, flag, newCommand, option, required } from '../command.ts';
import { dataLocation, dataOptions } from '../data-options.ts';
import { SAVING, untilInterrupted } from '../interrupt.ts';
import { downloadModels } from '../model-downloads.ts';
import { json } from '../options.ts';
import { log, printAs } from '../output.ts';
import { rankOptions, withRanks } from '../ranks.ts';
import { paperFlops, recipeNotes } from './recipe-notes.ts';
import { formatTrainOutcome, TrainingDisplay } from './training-display.ts';

const options = {
  out: required(option('<folder>', 'run folder, for the recipe, metrics, checkpoints and best model')),
  recipe: option(
    '<file>',
    "YAML file of recipe keys, or recipe.yaml of a run, and the paper's values for missing keys; flags take precedence",
  ),
  ...dataOptions,
  resume: flag('continue the run in --out; name its data set only if that was moved'),
  json,
  ...rankOptions,
};
type Flags = FlagsOf<typeof options>;

/** `vgg train`: section 3.1. */
export const command = newCommand('train', {
  description: 'Train a network on labeled images (section 3.1 of the paper).',
  examples: [
    'train runs/photos --out runs/mine',
    'train runs/photos --config B --crop 64 --epochs 30 --out runs/mine',
    'train --out runs/mine --resume',
    'train ILSVRC --recipe recipes/paper/d-256.yaml --out runs/d-256',
    'train ILSVRC --recipe recipes/paper/d-256.yaml --out runs/d-256 --mpi  (under mpirun or srun)',
  ],
  options,
})
  .argument(
    '[data]',
    'data set: a folder with one folder of images per class, directly or under train/ and val/',
  )
  .action(train);

// Every key of a recipe is a flag. Its name, default, choices and help come from the recipe's schema.
for (const made of recipeKeys.flatMap(optionsOfKey)) command.addOption(made.helpGroup('Recipe keys:'));

function optionsOfKey({ key, value, choices, description, default: fallback }: RecipeKeyFacts): Option[] {
  if (fallback === true) {
    return [new Option(`--${key}`, `${description} (default)`), new Option(`--no-${key}`, `turn ${key} off`)];
  }
  if (fallback === false) return [new Option(`--${key}`, description)];
  const made = new Option(`--${key} <${choices?.join('|') ?? value}>`, description);
  const shown = isDataKey(key) ? `from the data; with --recipe: ${fallback ?? 'none'}` : undefined;
  return [made.default(fallback, shown).argParser((text) => parseKey(key, text))];
}

function parseKey(key: RecipeKey, text: string): unknown {
  const result = recipeSchema.shape[key].safeParse(key === 'backend' ? presentBackendName(text) : text);
  if (result.success) return result.data;
  throw new InvalidArgumentError(`It ${faultOf(result.error.issues[0]!)}.`);
}

/** The keys that were given as flags, under their names in a recipe. */
function givenKeys(): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const { key } of recipeKeys) {
    const name = new Option(`--${key}`).attributeName();
    if (command.getOptionValueSource(name) === 'cli') given[key] = command.getOptionValue(name);
  }
  return given;
}

async function train(named: string | undefined, flags: Flags): Promise<void> {
  const data = dataLocation(named, flags);
  const given = givenKeys();
  const listener = new TrainingDisplay();
  const run = async (communicator: Communicator, signal: AbortSignal): Promise<TrainOutcome> => {
    const shared = { out: flags.out, listener, signal, communicator };
    if (flags.resume) {
      checkResumeFlags(flags);
      return resumeTraining({ ...shared, data, changes: given as Partial<Recipe> });
    }
    await downloadModels(modelsOf(given));
    const chosen = await dataAndRecipe(data, flags, given, listener, communicator);
    await downloadModels(modelsOf(chosen.recipe));
    return trainNetwork({ ...shared, ...chosen });
  };
  const outcome = await untilInterrupted(
    (signal) => withRanks(flags, (communicator) => run(communicator, signal).finally(() => listener.stop())),
    SAVING,
  );
  if (outcome.reason === 'interrupted') {
    throw new InterruptedError(
      `stopped after iteration ${outcome.iterations}, which is saved; continue with: vgg train --out ${outcome.run} --resume`,
    );
  }
  printAs(outcome, flags, formatTrainOutcome);
}

/**
 * Without a recipe file, missing keys follow from the data. Without a data folder, a run's recipe trains on the data that
 * the run recorded.
 */
async function dataAndRecipe(
  folder: string | undefined,
  { recipe: file, out }: Flags,
  given: Record<string, unknown>,
  listener: TrainingDisplay,
  communicator: Communicator,
): Promise<{ readonly data: string; readonly recipe: Recipe }> {
  const found = file === undefined ? { keys: {} } : await readRecipeAndData(file);
  const data = folder ?? found.data;
  if (data === undefined) {
    throw new UsageError('no images to train on; name their folder: vgg train FOLDER --out RUN');
  }
  if (folder === undefined) log(`note: training on ${data}, the data of ${file}`);
  if (file !== undefined) return { data, recipe: resolveRecipe({ ...found.keys, ...given }, file) };
  const choice = await chooseRecipe(data, given, communicator);
  for (const note of recipeNotes(choice, data, out)) log(`note: ${note}`);
  listener.paperFlops = paperFlops(choice);
  return { data, recipe: choice.recipe };
}

/** The models that training starts from. */
function modelsOf({ from, 'from-shallower': shallower }: Partial<Recipe>): string[] {
  return [...(from?.split(',') ?? []), ...(shallower === undefined ? [] : [shallower])];
}

function checkResumeFlags({ recipe }: Flags): void {
  if (recipe === undefined) return;
  throw new UsageError('--resume reads the recipe from the run folder; omit --recipe');
}
