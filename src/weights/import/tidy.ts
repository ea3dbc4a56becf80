import { UserError } from '../../core/errors.ts';

const LONGEST = 1000;

/**
 * Does work whose messages quote what a file says: names of tensors, of files in an archive. Whatever those
 * are, a message is one line of readable length.
 */
export async function tidily<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) error.message = tidy(error.message);
    throw error;
  }
}

function tidy(message: string): string {
  const line = message.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/gu, '�');
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST / 2)} … ${line.slice(-LONGEST / 2)}`;
}
