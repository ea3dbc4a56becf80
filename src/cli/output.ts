/** Results go to stdout and everything else to stderr, so `vgg … --json > file` captures only the result. */
import { existsSync } from 'node:fs';
import { UserError } from '../core/errors.ts';
import { wrapText } from '../report/table.ts';
import { paint } from './color.ts';
import { withProgramName } from './program-name.ts';
import { withoutBar } from './progress.ts';

let silent = false;

/** Suppresses results and messages from now on: rank 0 prints them for all ranks. */
export function silence(): void {
  silent = true;
}

/** Prints a human-readable result. */
export function printResult(text: string): void {
  print(fitMessage(withProgramName(text), columnsOf(process.stdout)));
}

/** Prints the one JSON document of `--json`. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

function print(text: string): void {
  if (!silent) withoutBar(() => process.stdout.write(`${text}\n`));
}

/** Some terminals do not know their width and say 0. */
function columnsOf(stream: { readonly columns?: number }): number {
  return stream.columns || Number.POSITIVE_INFINITY;
}

/** Prints a result as JSON or as text. */
export function printAs<T>(
  value: T,
  { json }: { readonly json?: boolean },
  format: (value: T) => string,
): void {
  if (json) printJson(value);
  else printResult(format(value));
}

/** @throws UserError when the file exists and may not be overwritten. */
export function refuseToOverwrite(path: string, { force }: { readonly force?: boolean }): void {
  if (existsSync(path) && !force) {
    throw new UserError(`${path} already exists; choose another name, or overwrite it with --force`);
  }
}

/** Prints a message on stderr. */
export function log(text: string): void {
  if (!silent) logAnyway(text);
}

/** Prints a reason to distrust a result. */
export function warn(warning: string): void {
  log(`${paint('yellow', 'warning:')} ${warning}`);
}

/** Prints a message even on a silenced rank. */
export function logAnyway(text: string): void {
  withoutBar(() => process.stderr.write(`${fitMessage(withProgramName(text), columnsOf(process.stderr))}\n`));
}

/** A command at the end of a sentence, to copy. */
const COMMAND = /^(.*): ((?:npx )?(?:vgg|verydeep) .*)$/;

/** Lines that must stay whole: commands to copy, and rows of tables. */
const WHOLE = /^\s*(?:(?:npx )?(?:vgg|verydeep) |[|│┌├└])/;

/** Breaks a text between words, after the indentation. A command at its end has a line of its own, which is not broken. */
export function fitMessage(text: string, columns: number): string {
  const fit = (line: string): string => {
    if (line.length <= columns || WHOLE.test(line)) return line;
    const [, sentence, command] = COMMAND.exec(line) ?? [];
    if (command !== undefined) return `${fit(`${sentence}:`)}\n  ${command}`;
    const [indent] = /^ */.exec(line)!;
    const lines = wrapText(line.slice(indent.length), columns - indent.length);
    return lines.map((one) => indent + one).join('\n');
  };
  return text.split('\n').map(fit).join('\n');
}
