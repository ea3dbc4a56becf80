import type { Command } from 'commander';
import { resumeTraining, type TrainOutcome, trainNetwork } from '../api/train-network.ts';
import type { Communicator } from '../comm/communicator.ts';
import { InterruptedError, UsageError } from '../core/errors.ts';
import type { Recipe } from '../train/recipe.ts';
import { readRecipeFile } from '../train/recipe-file.ts';
import { resolveRecipe } from '../train/resolve-recipe.ts';
import { newCommand } from './command.ts';
import { untilInterrupted } from './interrupt.ts';
import { jsonOption } from './options.ts';
import { printAs } from './output.ts';
import { addRankOptions, type RankFlags, withRanks } from './ranks.ts';
import { addRecipeFlags, givenFlags } from './recipe-flags.ts';
import { formatTrainOutcome } from './train-result.ts';
import { TrainingDisplay } from './training-display.ts';

interface Flags extends RankFlags {
  readonly out: string;
  readonly recipe?: string;
  readonly resume?: boolean;
  readonly json?: boolean;
}

/** `vgg train`: section 3.1. */
export function trainCommand(): Command {
  const command = newCommand('train', {
    description: 'Train a network on labeled images (section 3.1 of the paper).',
    examples: [
      'train runs/photos --config A --width 0.25 --crop 32 --scale 32 --out runs/photos-a',
      'train --out runs/photos-a --resume',
      'train ILSVRC --recipe recipes/paper/d-256.yaml --out runs/d-256',
      'train ILSVRC --recipe recipes/paper/d-256.yaml --out runs/d-256 --mpi  (under mpirun or srun)',
    ],
  })
    .argument(
      '[data]',
      'images to train on: a folder with one folder per class, directly or under train/ and val/',
    )
    .requiredOption('--out <folder>', 'run folder, for the recipe, metrics, checkpoints and best model')
    .option('--recipe <file>', 'YAML file of recipe keys; flags take precedence')
    .option('--resume', 'continue the run in --out')
    .addOption(jsonOption());
  addRankOptions(command).optionsGroup('Recipe keys:');
  return addRecipeFlags(command).action(train);
}

async function train(data: string | undefined, flags: Flags, command: Command): Promise<void> {
  const given = givenFlags(command);
  const run = async (communicator: Communicator, signal: AbortSignal): Promise<TrainOutcome> => {
    const display = new TrainingDisplay();
    try {
      const shared = { out: flags.out, listener: display, signal, communicator };
      if (flags.resume) {
        checkResumeFlags(data, flags);
        return await resumeTraining({ ...shared, changes: given as Partial<Recipe> });
      }
      if (data === undefined) {
        throw new UsageError('no images to train on; name their folder: vgg train FOLDER --out RUN');
      }
      return await trainNetwork({ ...shared, data, recipe: await recipeOf(flags, given) });
    } finally {
      display.stop();
    }
  };
  const outcome = await untilInterrupted((signal) =>
    withRanks(flags, (communicator) => run(communicator, signal)),
  );
  finish(outcome, flags);
}

async function recipeOf({ recipe: file }: Flags, given: Record<string, unknown>): Promise<Recipe> {
  if (file === undefined) return resolveRecipe(given, 'the flags');
  return resolveRecipe({ ...(await readRecipeFile(file)), ...given }, file);
}

function checkResumeFlags(data: string | undefined, { recipe }: Flags): void {
  if (data === undefined && recipe === undefined) return;
  throw new UsageError(
    `--resume takes data and recipe from the run folder; omit ${data === undefined ? '--recipe' : data}`,
  );
}

function finish(outcome: TrainOutcome, flags: Flags): void {
  if (outcome.reason === 'interrupted') {
    throw new InterruptedError(
      `stopped after iteration ${outcome.iterations}, which is saved; continue with: vgg train --out ${outcome.run} --resume`,
    );
  }
  printAs(outcome, flags, formatTrainOutcome);
}
