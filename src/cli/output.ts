/** Results go to stdout, everything else to stderr, so that `vgg … --json > file` holds the result alone. */
import { withoutBar } from './progress.ts';

let silent = false;

/** Shows neither results nor messages from here on: another rank of the same work does. */
export function silence(): void {
  silent = true;
}

/** Prints a result for people. */
export function printResult(text: string): void {
  if (silent) return;
  withoutBar(() => process.stdout.write(`${text}\n`));
}

/** Prints the one JSON document of `--json`. */
export function printJson(value: unknown): void {
  printResult(JSON.stringify(value, undefined, 2));
}

/** Prints a result in the form that was asked for. */
export function printAs<T>(
  value: T,
  { json }: { readonly json?: boolean },
  format: (value: T) => string,
): void {
  if (json) printJson(value);
  else printResult(format(value));
}

/** Says on stderr what is going on. */
export function log(text: string): void {
  if (!silent) logAnyway(text);
}

/** The same of a rank that is silent otherwise. */
export function logAnyway(text: string): void {
  withoutBar(() => process.stderr.write(`${text}\n`));
}
