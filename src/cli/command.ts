import { Command } from 'commander';

/** What every command tells in its help. */
export interface CommandText {
  readonly description: string;
  /** Command lines, without `vgg`, that a person can try. */
  readonly examples: readonly string[];
}

/** Starts a command: options and action are added by the file that the command is in. */
export function newCommand(name: string, { description, examples }: CommandText): Command {
  const lines = examples.map((example) => `  $ vgg ${example}`);
  return new Command(name).description(description).addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
