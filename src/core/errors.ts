/** What a person can mend. The message is one clear sentence: which file or field, what is wrong, what to do. */
export class UserError extends Error {
  override name = 'UserError';
  /** The exit code of the command line (0 done, 1 failed, 2 wrong usage, 130 interrupted). */
  readonly exitCode: number = 1;
}

/** Flags or options that do not make sense. */
export class UsageError extends UserError {
  override name = 'UsageError';
  override readonly exitCode = 2;
}

/** The person asked to stop, and what had to be saved is saved. */
export class InterruptedError extends UserError {
  override name = 'InterruptedError';
  override readonly exitCode = 130;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of a system error ('ENOENT', 'ENOSPC', …), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
