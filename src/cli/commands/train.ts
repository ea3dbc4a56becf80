import { Option } from 'commander';
import { chooseRecipe } from '../../api/choose-recipe.ts';
import { resumeTraining } from '../../api/resume-training.ts';
import type { TrainOutcome } from '../../api/run-training.ts';
import { trainNetwork } from '../../api/train-network.ts';
import { trainingCost } from '../../api/training-cost.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { InterruptedError, UsageError } from '../../core/errors.ts';
import { fromFirst } from '../../core/process-team.ts';
import { parseTrainScale } from '../../core/scale.ts';
import { type Preset, presets } from '../../train/data-defaults.ts';
import { openForTask } from '../../train/open-for-task.ts';
import { type Recipe, recipeKeys } from '../../train/recipe.ts';
import { readRecipeAndData } from '../../train/recipe-file.ts';
import { resolveRecipe } from '../../train/resolve-recipe.ts';
import { choice, type FlagsOf, flag, newCommand, option, shortenHelp } from '../command.ts';
import { dataLocation, dataOptions } from '../data-options.ts';
import { SAVING, STOPPING, untilInterrupted } from '../interrupt.ts';
import { downloadModels } from '../model-downloads.ts';
import { json } from '../options.ts';
import { log, printAs } from '../output.ts';
import { shellWord } from '../program-name.ts';
import { withProgress } from '../progress.ts';
import { rankOptions, withRanks } from '../ranks.ts';
import { formatCost, LONG, paperFlops, recipeNotes } from './recipe-notes.ts';
import { nameOfData, newRunFolder } from './run-names.ts';
import { recipeOptions } from './train-options.ts';
import { formatTrainOutcome, TrainingDisplay } from './training-display.ts';

const options = {
  out: option(
    '<folder>',
    'run folder, for the recipe, metrics, checkpoints and best model (default: runs/NAME of the data, or runs/NAME-2 and so on if it exists)',
  ),
  preset: choice(
    presets,
    "size of the network and its crop; paper: the paper's value for every key (default: by the number of images)",
  ),
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
    'train photos',
    'train photos --preset small --out runs/first',
    'train photos --from torchvision/vgg16',
    'train --out runs/photos --resume',
    'train ILSVRC --recipe recipes/paper/d-256.yaml --out runs/d-256',
    'train ILSVRC --recipe recipes/paper/d-256.yaml --out runs/d-256 --mpi  # under mpirun or srun',
  ],
  options,
})
  .argument(
    '[data]',
    'data set: a folder with one folder of images per class, directly or under train/ and val/',
  )
  .action(train);

for (const made of recipeOptions()) command.addOption(made);
shortenHelp(command, ['out', 'preset', 'config', 'epochs', 'from', 'resume']);

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
    const shared = { listener, signal, communicator };
    if (flags.resume) {
      return resumeTraining({ ...shared, out: runToResume(flags), data, changes: given as Partial<Recipe> });
    }
    await downloadModels(modelsOf(given));
    const chosen = await dataAndRecipe(data, flags, given, { listener, communicator, signal });
    await downloadModels(modelsOf(chosen.recipe));
    return trainNetwork({ ...shared, ...chosen });
  };
  const outcome = await untilInterrupted(
    (signal) => withRanks(flags, (communicator) => run(communicator, signal).finally(() => listener.stop())),
    () => (listener.hasStarted ? SAVING : STOPPING),
  );
  if (outcome.reason === 'interrupted') {
    throw new InterruptedError(
      `stopped after iteration ${outcome.iterations}, which is saved; continue with: vgg train --out ${shellWord(outcome.run)} --resume`,
    );
  }
  printAs(outcome, flags, formatTrainOutcome);
}

/** Who trains, and what stops it. */
interface Session {
  readonly listener: TrainingDisplay;
  readonly communicator: Communicator;
  readonly signal: AbortSignal;
}

/**
 * Without a recipe file, missing keys follow from the data. Without a data folder, a run's recipe trains on the data that
 * the run recorded.
 */
async function dataAndRecipe(
  folder: string | undefined,
  { recipe: file, preset, ...flags }: Flags,
  given: Record<string, unknown>,
  session: Session,
): Promise<{ readonly data: string; readonly out: string; readonly recipe: Recipe }> {
  const { communicator } = session;
  if (file !== undefined && preset !== undefined) {
    throw new UsageError('--preset and --recipe both choose the network; omit one');
  }
  const found = file === undefined ? { keys: {} } : await readRecipeAndData(file);
  const data = folder ?? found.data;
  if (data === undefined) throw new UsageError('no images to train on; name their folder: vgg train FOLDER');
  if (folder === undefined) log(`note: training on ${data}, the data of ${file}`);
  // The first rank chooses, since another may look when the folder is there already.
  const chosen = flags.out ?? (communicator.rank === 0 ? newRunFolder(nameOfData(data)) : '');
  const out = await fromFirst(communicator, chosen);
  if (flags.out === undefined) log(`run folder: ${out}`);
  const recipe =
    file === undefined
      ? await recipeByData({ data, out, given, preset }, session)
      : resolveRecipe({ ...found.keys, ...given }, file);
  if (communicator.rank === 0) await logCost(recipe, data, session);
  return { data, out, recipe };
}

async function recipeByData(
  { data, out, given, preset }: Record<'data' | 'out', string> & { given: object; preset?: Preset },
  { listener, communicator }: Session,
): Promise<Recipe> {
  const choice = await chooseRecipe(data, given, preset, communicator);
  for (const note of recipeNotes(choice, data, out)) log(`note: ${note}`);
  listener.paperFlops = paperFlops(choice);
  return choice.recipe;
}

/** Before a long training: what it will take, and how to make it smaller. */
async function logCost(
  recipe: Recipe,
  data: string,
  { communicator: { size: ranks }, signal }: Session,
): Promise<void> {
  const { length, classes } = await openForTask(data, 'train', recipe);
  const images = Math.min(length, recipe.limit ?? length);
  const side = parseTrainScale(recipe.scale).max;
  const cost = await trainingCost(recipe, { images, classes: classes.length, side }, ranks);
  if (cost.flops < LONG) return;
  const fields = () => [{ text: 'measuring how fast this machine trains it', rank: 0 }];
  const seconds = await withProgress('', 1, () => cost.measureSeconds(signal), { fields });
  log(formatCost(cost, seconds, ranks));
}

/** The models that training starts from. */
function modelsOf({ from, 'from-shallower': shallower }: Partial<Recipe>): string[] {
  return [...(from?.split(',') ?? []), ...(shallower === undefined ? [] : [shallower])];
}

function runToResume({ out, recipe, preset }: Flags): string {
  if (out === undefined) throw new UsageError('name the run to continue: vgg train --resume --out RUN');
  const other = recipe !== undefined ? '--recipe' : preset !== undefined ? '--preset' : undefined;
  if (other === undefined) return out;
  throw new UsageError(`--resume reads the recipe from the run folder; omit ${other}`);
}
