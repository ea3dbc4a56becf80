import type { Command } from 'commander';
import { resumeTraining, type TrainOutcome, trainNetwork } from '../api/train-network.ts';
import type { Communicator } from '../comm/communicator.ts';
import { InterruptedError, UsageError } from '../core/errors.ts';
import { type Recipe, resolveRecipe } from '../train/recipe.ts';
import { readRecipeFile } from '../train/recipe-file.ts';
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
    description: 'Train a network on labelled images (paper, section 3.1).',
    examples: [
      'train photos --config A --crop 64 --scale 64 --out runs/photos',
      'train ILSVRC --recipe recipes/paper/d-256.yaml --out runs/d-256',
      'train --out runs/photos --resume',
      'train ILSVRC --recipe recipes/paper/d-256.yaml --out runs/d-256 --mpi  (under mpirun or srun)',
    ],
  })
    .argument('[data]', 'folder with a folder of images for each class, under train/ and val/ or directly')
    .requiredOption('--out <folder>', 'run folder: recipe, metrics, checkpoints, best model')
    .option('--recipe <file>', 'YAML file of the keys below; flags win over it')
    .option('--resume', 'go on with the run in --out')
    .addOption(jsonOption());
  return addRecipeFlags(addRankOptions(command)).action(train);
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
        throw new UsageError('name the folder of images to train on: vgg train FOLDER --out RUN');
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
    `--resume takes data and recipe from the run folder; leave out ${data === undefined ? '--recipe' : data}`,
  );
}

function finish(outcome: TrainOutcome, flags: Flags): void {
  if (outcome.reason === 'interrupted') {
    throw new InterruptedError(
      `stopped after iteration ${outcome.iterations}, which is saved; go on with: vgg train --out ${outcome.run} --resume`,
    );
  }
  printAs(outcome, flags, formatTrainOutcome);
}
