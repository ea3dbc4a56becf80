/** Shared by all commands: declares options, builds commands and formats help. */
import { Command, Help, InvalidArgumentError, Option } from 'commander';
import { paint } from './color.ts';
import { refuseToOverwrite } from './output.ts';
import { programName } from './program-name.ts';

/** Parses an option's value. @throws InvalidArgumentError; commander adds the option's name and exits with code 2. */
export type Parser<T> = (text: string) => T;

/** An option whose value has type T. Its name, such as `max-pixels`, comes from the table that it is in. */
export interface TypedOption<T> {
  (name: string): readonly Option[];
  /** Never present: carries the type for `FlagsOf`. */
  readonly value?: readonly [T];
}

/** Options by their names in camel case: `maxPixels` is `--max-pixels`. */
type OptionTable = Readonly<Record<string, TypedOption<unknown>>>;

/** The values of a table's options, as commander passes them to the action. */
export type FlagsOf<Table extends OptionTable> = {
  readonly [Key in keyof Table]: Table[Key] extends TypedOption<infer T> ? T : never;
};

/**
 * An option with a value: `option('<n>', 'number of classes to print', positiveInteger, '5')`.
 * @param value placeholder for the value in help
 * @param fallback default, as a user would type it
 */
export function option<T = string, Fallback extends string | undefined = undefined>(
  value: string,
  description: string,
  parse?: Parser<T>,
  fallback?: Fallback,
): TypedOption<Fallback extends string ? T : T | undefined> {
  return (name) => {
    const made = new Option(`--${name} ${value}`, description).argParser<unknown>(parse ?? someText);
    return [fallback === undefined ? made : made.default(made.parseArg!(fallback, undefined), fallback)];
  };
}

/** An empty value is mostly a variable of a script that is not set. */
function someText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

/**
 * An option whose value is one of several words.
 * @param normalize maps other spellings to the words
 */
export function choice<const T extends string, Fallback extends T | undefined = undefined>(
  choices: readonly T[],
  description: string,
  fallback?: Fallback,
  normalize: (text: string) => string = String,
): TypedOption<Fallback extends string ? T : T | undefined> {
  const parse = (text: string): T => {
    const found = choices.find((name) => name === normalize(text));
    if (!found) throw new InvalidArgumentError(`It must be one of ${choices.join(', ')}.`);
    return found;
  };
  return option(`<${choices.join('|')}>`, description, parse, fallback);
}

/** A switch. @param opposite describes `--no-…`, if there is one; without either the value is undefined */
export function flag(description: string, opposite?: string): TypedOption<boolean | undefined> {
  return (name) => [
    new Option(`--${name}`, description),
    ...(opposite === undefined ? [] : [new Option(`--no-${name}`, opposite)]),
  ];
}

/** A switch that is on: `weights: switchedOff('…')` is `--no-weights`. */
export function switchedOff(description: string): TypedOption<boolean> {
  return (name) => [new Option(`--no-${name}`, description)];
}

export function required<T>(typed: TypedOption<T>): TypedOption<NonNullable<T>> {
  return (name) => typed(name).map((made) => made.makeOptionMandatory());
}

/** An option that may be given several times. */
export function repeatable<T>(typed: TypedOption<T>): TypedOption<readonly NonNullable<T>[] | undefined> {
  return (name) =>
    typed(name).map((made) => {
      const parse = made.parseArg!;
      return made.argParser((text, before: readonly unknown[] = []) => [...before, parse(text, undefined)]);
    });
}

export const force: TypedOption<boolean | undefined> = flag('overwrite an existing file');

/** The options that name a file to write. */
const outputs = new WeakSet<Option>();

/** A file that the command writes. The command gets `--force`, and without it refuses to overwrite a file. */
export function outputFile(value: string, description: string): TypedOption<string | undefined> {
  return (name) => {
    const made = option(value, description)(name);
    for (const one of made) outputs.add(one);
    return made;
  };
}

/** Checks before the work begins that no file is in the way. */
function guardOutputs(command: Command): void {
  const files = command.options.filter((made) => outputs.has(made));
  if (files.length === 0) return;
  for (const made of force('force')) command.addOption(made);
  command.hook('preAction', () => {
    for (const file of files) {
      const path = command.getOptionValue(file.attributeName()) as string | undefined;
      if (path !== undefined) refuseToOverwrite(path, command.opts());
    }
  });
}

/** Puts options under a heading in the help. */
export function inGroup<Table extends OptionTable>(heading: string, table: Table): Table {
  const grouped = Object.entries(table).map(([key, typed]) => [
    key,
    (name: string) => typed(name).map((made) => made.helpGroup(heading)),
  ]);
  return Object.fromEntries(grouped) as Table;
}

/** The texts and options of a command. */
interface CommandText {
  readonly description: string;
  /** Command lines to try, without the program's name. */
  readonly examples: readonly string[];
  readonly options: OptionTable;
}

/** Creates a command. Its file adds arguments and the action. */
export function newCommand(name: string, { description, examples, options }: CommandText): Command {
  const lines = () => examples.map((example) => fitCommand(`  $ ${programName} ${example}`));
  const command = new Command(name)
    .description(description)
    .addHelpText('after', () => `\nExamples:\n${lines().join('\n')}`);
  for (const [key, typed] of Object.entries(options)) {
    const long = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    for (const made of typed(long)) command.addOption(made);
  }
  guardOutputs(command);
  return command;
}

/** Breaks a command before an option where the terminal ends, so that a shell still reads it as one. */
export function fitCommand(
  line: string,
  columns = process.stdout.columns || Number.POSITIVE_INFINITY,
): string {
  if (line.length <= columns) return line;
  const at = line.lastIndexOf(' --', columns - ' \\'.length);
  if (at < 0 || line.slice(0, at).trim() === '') return line;
  return `${line.slice(0, at)} \\\n${fitCommand(`     ${line.slice(at)}`, columns)}`;
}

/**
 * Reduces `--help` to the options that people use first, and adds `--help-all`.
 * @param first long names of those options
 */
export function shortenHelp(command: Command, first: readonly string[]): void {
  const names = new Set([...first, 'help', 'help-all'].map((name) => `--${name}`));
  const others = command.options.filter(({ long }) => !names.has(long!)).length;
  const all = new Option('--help-all', `print the other ${others} options, too`);
  command.addOption(all).on('option:help-all', () => {
    shortHelps.delete(command);
    all.hideHelp();
    command.help();
  });
  shortHelps.set(command, (made) => names.has(made.long!));
}

/** Which options the help of a command shows. */
const shortHelps = new WeakMap<Command, (made: Option) => boolean>();

/** Columns of the help for options; the description of a longer one starts on the next line. */
const TERM_WIDTH = 28;

/**
 * Applies the settings of the command line to a command and its subcommands: commander's `addCommand` does
 * not inherit them.
 */
export function configureCommand(command: Command): void {
  const standard = new Help();
  command
    .exitOverride()
    .configureHelp({
      optionDescription: describeOption,
      styleTitle: (text) => paint('bold', text, process.stdout),
      formatHelp(shown, helper) {
        const isShown = shortHelps.get(shown);
        if (!isShown) return standard.formatHelp.call(helper, shown, helper);
        const visibleOptions = (one: Command) => helper.visibleOptions(one).filter(isShown);
        // So few need no headings.
        const groupItems = <T>(_: T[], visible: T[]) =>
          new Map(visible.length === 0 ? [] : [['Options:', visible]]);
        const short: Help = Object.assign(Object.create(helper), { visibleOptions, groupItems });
        return standard.formatHelp.call(short, shown, short);
      },
      padWidth: (shown, helper) => Math.min(TERM_WIDTH, standard.padWidth(shown, helper)),
      formatItem(term, width, description, helper) {
        if (term.length <= width)
          return Help.prototype.formatItem.call(this, term, width, description, helper);
        return `  ${term}\n${Help.prototype.formatItem.call(this, '', width, description, helper)}`;
      },
    })
    .showHelpAfterError(`See \`${pathOf(command)} --help\`.`)
    .helpOption('-h, --help', 'print this help');
  for (const child of command.commands) configureCommand(child);
}

/** Commander's own text puts JSON's quotes around defaults. */
function describeOption(made: Option): string {
  const { description, mandatory, defaultValue, defaultValueDescription = defaultValue } = made;
  if (mandatory && defaultValue === undefined) return `${description} (required)`;
  const hasDefault = defaultValue !== undefined && typeof defaultValue !== 'boolean';
  return hasDefault ? `${description} (default: ${defaultValueDescription})` : description;
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}
