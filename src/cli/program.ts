import { Command } from 'commander';
import { messageOf, UserError } from '../core/errors.ts';
import { version } from '../core/project.ts';
import { configureCommand } from './command.ts';

/**
 * The commands, in the order of `vgg --help`. A new command needs an entry here and a file of its own. Files
 * are imported on demand: `vgg doctor` must run even where a library that other commands need fails to load.
 */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./demo.ts')).demoCommand(),
  configs: async () => (await import('./configs.ts')).configsCommand(),
  init: async () => (await import('./init.ts')).initCommand(),
  train: async () => (await import('./train.ts')).trainCommand(),
  evaluate: async () => (await import('./evaluate.ts')).evaluateCommand(),
  convert: async () => (await import('./convert.ts')).convertCommand(),
  inspect: async () => (await import('./inspect.ts')).inspectCommand(),
  features: async () => (await import('./features.ts')).featuresCommand(),
  predict: async () => (await import('./predict.ts')).predictCommand(),
  serve: async () => (await import('./serve.ts')).serveCommand(),
  reproduce: async () => (await import('./reproduce.ts')).reproduceCommand(),
  pack: async () => (await import('./pack.ts')).packCommand(),
  report: async () => (await import('./report.ts')).reportCommand(),
  card: async () => (await import('./card.ts')).cardCommand(),
  plan: async () => (await import('./plan.ts')).planCommand(),
  bench: async () => (await import('./bench.ts')).benchCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
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
      `\nExamples:\n  $ vgg demo\n  $ vgg train photos --config A --crop 64 --scale 72 --out runs/photos\n  $ vgg predict cat.jpg --model runs/photos/best.safetensors\n  $ vgg train --help`,
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
    return await commands[name]!();
  } catch (error) {
    throw new UserError(
      `${name} cannot start: ${messageOf(error)}\nRun \`vgg doctor\` to see what is missing.`,
      { cause: error },
    );
  }
}
