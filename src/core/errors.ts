/**
 * An error that the user can fix. The message is one clear sentence: the fault, its place and the remedy.
 * @example
 * try {
 *   await openImages('photos');
 * } catch (error) {
 *   if (!(error instanceof UserError)) throw error;
 *   console.error(error.message); // photos does not exist; check the path
 * }
 */
export class UserError extends Error {
  override name = 'UserError';

  constructor(message: string, options?: ErrorOptions) {
    // A file's name may hold sequences that control a terminal.
    super(message.replace(CONTROL, escaped), options);
  }

  /** Exit code of the command line: 0 success, 1 failure, 2 wrong usage, 130 interrupted. */
  readonly exitCode: number = 1;
}

/** Control characters other than tabs and line breaks. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it finds
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Longer names are shortened in messages; no file system allows longer paths by default. */
const MAX_NAME = 4096;

/** The name of a file for a message of one line: line breaks are escaped, and the middle of a huge name is left out. */
export function printable(name: string): string {
  if (name.trim() === '') return JSON.stringify(name);
  const line = name.replace(/[\n\r\t\u2028\u2029]/g, (found) =>
    found === '\n' ? '\\n' : found === '\r' ? '\\r' : found === '\t' ? '\\t' : escaped(found),
  );
  return line.length > MAX_NAME ? `${line.slice(0, 100)}…${line.slice(-100)}` : line;
}

/** Flags or options that are invalid or contradict each other. */
export class UsageError extends UserError {
  override name = 'UsageError';
  override readonly exitCode = 2;
}

/** The user interrupted the work; everything that needed saving has been saved. */
export class InterruptedError extends UserError {
  override name = 'InterruptedError';
  override readonly exitCode = 130;
}

/** The message of anything that may be thrown. */
export function messageOf(error: unknown): string {
  if (isWithoutFolder(error)) return 'the current folder was deleted; change to one that exists';
  return error instanceof Error ? error.message : String(error);
}

/** Whether the process's current folder is gone: Node and some libraries ask for it when they start. */
export function isWithoutFolder(error: unknown): boolean {
  // An error that comes from another thread has its message only.
  return error instanceof Error && error.message.endsWith('uv_cwd');
}

/** The code of a system error ('ENOENT', 'ENOSPC', …), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
