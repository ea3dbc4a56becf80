/** Explains errors of calls into the kernels. */
import { messageOf, systemErrorCode, UserError } from '../../core/errors.ts';

/** Waits for a call into the addon. If memory runs out, it throws a UserError. */
export async function settled<T>(operation: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw explained(operation, error);
  }
}

export function explained(operation: string, error: unknown): unknown {
  if (systemErrorCode(error) !== 'ERR_OUT_OF_MEMORY') return error;
  return new UserError(`${operation}: ${messageOf(error)}`, { cause: error });
}
