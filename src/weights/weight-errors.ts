/** Errors about weight files. */
import { UserError } from '../core/errors.ts';
import { readableTypes } from './tensors/element-types.ts';

/** The error for a tensor whose element type is not supported. */
export function unreadable(path: string, tensor: string, type: string): UserError {
  return new UserError(
    `${path}: tensor ${tensor} is ${type}, but only ${readableTypes.join(', ')} can be read; save it as one of those`,
  );
}

/** The error for a file that violates its format. @param format `PyTorch`, `ONNX`, … */
export function damaged(path: string, format: string, fault: string, cause?: unknown): UserError {
  return new UserError(
    `${path} is not a valid ${format} file: ${fault}; copy or download it again, or save it again`,
    { cause },
  );
}

/**
 * Checks that weights are finite.
 * @param offset index of the first value in its tensor
 * @throws UserError naming the file, the tensor and the element.
 */
export function checkFinite(path: string, tensor: string, values: Float32Array, offset = 0): void {
  // Branch-free: the sum of products with 0 is 0 unless a value is infinite or NaN.
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += values[i]! * 0;
  if (zero === 0) return;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new UserError(
    `${path}: tensor ${tensor} holds ${values[at]} at element ${offset + at}, and weights must be finite numbers; use a checkpoint from before training diverged`,
  );
}

const LONGEST = 1000;

/**
 * Runs work whose error messages quote names from a file, such as those of tensors. Whatever the names are, the message
 * of a `UserError` becomes one line of readable length.
 */
export async function withTidyMessages<T>(work: () => Promise<T>): Promise<T> {
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
