import assert from 'node:assert/strict';
import { UserError } from '../../src/core/errors.ts';

/** What `assert.throws` and `assert.rejects` take: the error is a UserError whose message contains or matches each part. */
export function userError(...parts: readonly (RegExp | string)[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof UserError, (error as Error)?.stack);
    for (const part of parts) {
      if (typeof part === 'string') assert.ok(error.message.includes(part), error.message);
      else assert.match(error.message, part);
    }
    return true;
  };
}

/** Asserts that something is refused with a UserError of one line. */
export function refused(promise: Promise<unknown>, ...parts: readonly (RegExp | string)[]): Promise<void> {
  return assert.rejects(promise, userError(...parts, /^.*$/));
}
