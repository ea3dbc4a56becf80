import { UserError } from '../../core/errors.ts';

/** The place of the first value that is infinite or no number, or −1. */
export function indexOfNonFinite(values: Float32Array): number {
  // A sum of products with 0 is 0 unless there is one: a pass without a branch.
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += values[i]! * 0;
  return zero === 0 ? -1 : values.findIndex((value) => !Number.isFinite(value));
}

export function notFinite(path: string, tensor: string, value: number, element: number): UserError {
  return new UserError(
    `${path}: tensor ${tensor} holds ${value} at element ${element}, and weights must be finite numbers; take a checkpoint from before training broke down`,
  );
}
