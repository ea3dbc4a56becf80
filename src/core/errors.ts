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
  /** Exit code of the command line: 0 success, 1 failure, 2 wrong usage, 130 interrupted. */
  readonly exitCode: number = 1;
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
  return error instanceof Error ? error.message : String(error);
}

/** The code of a system error ('ENOENT', 'ENOSPC', …), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
