import { Command } from 'commander';
import { messageOf, UserError } from '../core/errors.ts';
import { version } from '../core/project.ts';
import { configureCommand } from './command.ts';

/**
 * The commands, in the order of `vgg --help`. A new command needs an entry here and a file in commands/. Files
 * are imported on demand: `vgg doctor` must run even where a library that other commands need fails to load.
 */
const commands: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  demo: () => import('./commands/demo.ts'),
  configs: () => import('./commands/configs.ts'),
  init: () => import('./commands/init.ts'),
  train: () => import('./commands/train.ts'),
  evaluate: () => import('./commands/evaluate.ts'),
  convert: () => import('./commands/convert.ts'),
  inspect: () => import('./commands/inspect.ts'),
  models: () => import('./commands/models.ts'),
  features: () => import('./commands/features.ts'),
  transfer: () => import('./commands/transfer.ts'),
  predict: () => import('./commands/predict.ts'),
  serve: () => import('./commands/serve.ts'),
  reproduce: () => import('./commands/reproduce.ts'),
  pack: () => import('./commands/pack.ts'),
  report: () => import('./commands/report.ts'),
  card: () => import('./commands/card.ts'),
  plan: () => import('./commands/plan.ts'),
  bench: () => import('./commands/bench.ts'),
  doctor: () => import('./commands/doctor.ts'),
};

export const commandNames: readonly string[] = Object.keys(commands);

/**
 * Builds the command line. If the arguments start with a command, only that command is loaded; otherwise all
 * are, for the help and for suggestions. Usage errors, help and version are thrown as CommanderError instead of
 * ending the process.
 * @param args the arguments after `vgg`
 * @throws UserError when a library that a command needs fails to load.
 */
export async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('vgg')
    .description('Train, evaluate and use the very deep convolutional networks of Simonyan & Zisserman.')
    .version(version, '--version', 'print the version')
    .helpCommand('help [command]', 'print the help for a command')
    .addHelpText(
      'after',
      `\nExamples:\n  $ vgg demo\n  $ vgg predict runs/photos/val/sneaker/*.png --model runs/demo/best.safetensors\n  $ vgg train runs/photos --out runs/mine\n  $ vgg train --help`,
    );
  for (const name of neededFor(args[0])) program.addCommand(await load(name));
  configureCommand(program);
  return program;
}

function neededFor(first: string | undefined): readonly string[] {
  if (first === '--version') return [];
  return commandNames.includes(first ?? '') ? [first!] : commandNames;
}

async function load(name: string): Promise<Command> {
  try {
    return (await commands[name]!()).command;
  } catch (error) {
    throw new UserError(
      `${name} cannot start: ${messageOf(error)}\nRun \`vgg doctor\` to see what is missing.`,
      { cause: error },
    );
  }
}
