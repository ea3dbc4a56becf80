import { Command } from 'commander';
import { messageOf, UserError } from '../core/errors.ts';
import { version } from '../core/project.ts';

/**
 * One entry a command, in the order of `vgg --help`. A new command's only other place is its own file. Files
 * are imported when they are needed: `vgg doctor` must run where a library that others need does not load.
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
 * The command line with the one command that the arguments begin with, or, where they begin with none, with
 * all of them, for the help and for suggestions. Usage errors, help and version are thrown as CommanderError
 * instead of ending the process.
 * @param args what stands behind `vgg`
 * @throws UserError when a library that a command needs does not load.
 */
export async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('vgg')
    .description('Train, evaluate and use the very deep convolutional networks of Simonyan & Zisserman.')
    .version(version, '--version', 'print the version')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', `\nExamples:\n  $ vgg configs\n  $ vgg init --help`);
  for (const name of neededFor(args[0])) program.addCommand(await load(name));
  configure(program);
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

/** `addCommand` does not hand settings down, so every command gets them here. */
function configure(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError(`See \`${pathOf(command)} --help\`.`)
    .helpOption('-h, --help', 'print this help');
  for (const child of command.commands) configure(child);
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}
