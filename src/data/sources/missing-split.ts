import { UserError } from '../../core/errors.ts';

/** A data set that is divided, but has no part of the name asked for. */
export class MissingSplitError extends UserError {
  override name = 'MissingSplitError';
}
