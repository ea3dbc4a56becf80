/** What all commands share: how a command is started and how its help reads. */
import { Command, type Option } from 'commander';

/** The texts of a command's help. */
export interface CommandText {
  readonly description: string;
  /** Command lines to try, without the leading `vgg`. */
  readonly examples: readonly string[];
}

/** Creates a command with its help texts. The file of the command adds options and the action. */
export function newCommand(name: string, { description, examples }: CommandText): Command {
  const lines = examples.map((example) => `  $ vgg ${example}`);
  return new Command(name).description(description).addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/**
 * Applies the settings of the command line to a command and its subcommands: commander's `addCommand` does
 * not inherit them.
 */
export function configureCommand(command: Command): void {
  command
    .exitOverride()
    .configureHelp({ optionDescription: describeOption })
    .showHelpAfterError(`See \`${pathOf(command)} --help\`.`)
    .helpOption('-h, --help', 'print this help');
  for (const child of command.commands) configureCommand(child);
}

/** Commander's own text puts JSON's quotes around choices and defaults. */
function describeOption(option: Option): string {
  const { description, argChoices, defaultValue, defaultValueDescription } = option;
  const fallback = defaultValueDescription ?? (defaultValue === undefined ? '' : String(defaultValue));
  const facts = [
    argChoices ? `choices: ${argChoices.join(', ')}` : '',
    fallback !== '' && typeof defaultValue !== 'boolean' ? `default: ${fallback}` : '',
  ].filter((fact) => fact !== '');
  return facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}
