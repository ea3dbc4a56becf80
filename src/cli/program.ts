import { Command } from 'commander';
import { version } from '../core/project.ts';
import { configsCommand } from './configs.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { evaluateCommand } from './evaluate.ts';
import { initCommand } from './init.ts';
import { planCommand } from './plan.ts';
import { predictCommand } from './predict.ts';
import { trainCommand } from './train.ts';

/** One entry a command, in the order of `vgg --help`. A new command's only other place is its own file. */
const commands: readonly (() => Command)[] = [
  demoCommand,
  configsCommand,
  initCommand,
  trainCommand,
  evaluateCommand,
  predictCommand,
  planCommand,
  doctorCommand,
];

/** The command line. Usage errors, help and version are thrown as CommanderError instead of ending the process. */
export function buildProgram(): Command {
  const program = new Command('vgg')
    .description('Train, evaluate and use the very deep convolutional networks of Simonyan & Zisserman.')
    .version(version, '--version', 'print the version')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', `\nExamples:\n  $ vgg configs\n  $ vgg init --help`);
  for (const make of commands) program.addCommand(make());
  configure(program);
  return program;
}

/** `addCommand` does not hand settings down, so every command gets them here. */
function configure(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError(`See \`${pathOf(command)} --help\`.`)
    .helpOption('--help', 'print this help');
  for (const child of command.commands) configure(child);
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}
