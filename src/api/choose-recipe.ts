import { type Communicator, single } from '../comm/communicator.ts';
import { fromFirst } from '../core/process-team.ts';
import { medianSide } from '../data/pixels/median-side.ts';
import { isConfigurationName } from '../net/configurations.ts';
import { type DataFacts, dataDefaults, type Preset, type StartingModel } from '../train/data-defaults.ts';
import { openForTask } from '../train/open-for-task.ts';
import type { PartialRecipe, Recipe } from '../train/recipe.ts';
import { resolveRecipe } from '../train/resolve-recipe.ts';
import { inspectWeights } from './inspect-weights.ts';

export interface ChosenRecipe {
  /** Complete. */
  readonly recipe: Recipe;
  /** The keys that follow from the data, with their values. */
  readonly chosen: PartialRecipe;
  readonly facts: DataFacts;
}

/**
 * Completes a recipe as `vgg train` does without a recipe file: batch size, epochs, width, crop and the like follow from
 * the number and size of the images, other missing keys get the paper's values. Given keys are kept.
 * @param data location of the images, see `openImages`
 * @param given any of the keys (default: none)
 * @param preset size of the network: `small`, `medium`, or `paper` for the paper's values (default: by the number of images)
 * @param communicator ranks that will train together; all of them call this function (default: this process alone)
 * @throws UserError for data that cannot be opened, and for invalid keys
 * @example
 * const { recipe, chosen } = await chooseRecipe('photos', { config: 'B' });
 * console.log(chosen.batch);
 * await trainNetwork({ data: 'photos', out: 'runs/photos', recipe });
 */
export async function chooseRecipe(
  data: string,
  given: PartialRecipe = {},
  preset?: Preset,
  communicator: Communicator = single,
): Promise<ChosenRecipe> {
  // Only the first rank's machine may have the model.
  const found = communicator.rank === 0 ? await factsOf(data, given) : undefined;
  const facts = await fromFirst(communicator, found!);
  const chosen = dataDefaults(facts, given, preset);
  return { recipe: resolveRecipe({ ...chosen, ...given }, 'the flags'), chosen, facts };
}

async function factsOf(data: string, given: PartialRecipe): Promise<DataFacts> {
  const source = await openForTask(data, 'train', given);
  return {
    images: Math.min(source.length, given.limit ?? source.length),
    classes: source.classes.length,
    // Unreadable images stop the survey that follows, with a message.
    side: (await medianSide(source)) ?? 0,
    from: given.from === undefined ? undefined : await startingModel(given),
  };
}

/** @returns undefined for a file that cannot be used; reading its weights will tell why */
async function startingModel({
  from,
  'from-convention': convention,
  'from-features-only': featuresOnly,
}: PartialRecipe): Promise<StartingModel | undefined> {
  const { network } = await inspectWeights(from!.split(',')[0]!, {
    convention,
    allowFeatures: true,
    allowBoxes: true,
  }).catch(() => ({ network: undefined }));
  if (!network || !isConfigurationName(network.configuration)) return undefined;
  const { configuration: config, width, crop, classes } = network;
  return { config, width, crop, featuresOnly: featuresOnly === true || classes === 0 };
}
