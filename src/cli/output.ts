/** Results go to stdout and everything else to stderr, so `vgg … --json > file` captures only the result. */
import { existsSync } from 'node:fs';
import { UserError } from '../core/errors.ts';
import { wrapText } from '../report/table.ts';
import { paint } from './color.ts';
import { withoutBar } from './progress.ts';

let silent = false;

/** Suppresses results and messages from now on: rank 0 prints them for all ranks. */
export function silence(): void {
  silent = true;
}

/** Prints a human-readable result. */
export function printResult(text: string): void {
  if (silent) return;
  withoutBar(() => process.stdout.write(`${text}\n`));
}

/** Prints the one JSON document of `--json`. */
export function printJson(value: unknown): void {
  printResult(JSON.stringify(value, undefined, 2));
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
  // Some terminals do not know their width and say 0.
  const columns = process.stderr.columns || Number.POSITIVE_INFINITY;
  withoutBar(() => process.stderr.write(`${fitMessage(text, columns)}\n`));
}

/** A command at the end of a sentence, to copy. */
const COMMAND = /^(.*): ((?:npx )?vgg .*)$/;

/** Breaks a message between words. A command at its end has a line of its own, which is not broken. */
export function fitMessage(text: string, columns: number): string {
  const fit = (line: string): string => {
    if (line.length <= columns || line.startsWith(' ')) return line;
    const [, sentence, command] = COMMAND.exec(line) ?? [];
    if (command !== undefined) return `${fit(`${sentence}:`)}\n  ${command}`;
    return wrapText(line, columns).join('\n');
  };
  return text.split('\n').map(fit).join('\n');
}
