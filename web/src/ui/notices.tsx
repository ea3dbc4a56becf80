import type { ComponentChildren } from 'preact';
import type { Loading } from '../api/use-request.ts';

export function Failure({ message }: { readonly message: string }) {
  return (
    <p class="notice failure" role="alert">
      {message}
    </p>
  );
}

export function Busy({ what }: { readonly what: string }) {
  return (
    <p class="notice busy" role="status">
      <span class="spinner" aria-hidden="true" />
      {what} …
    </p>
  );
}

interface AnswerProps<T> {
  readonly of: Loading<T>;
  /** What is waited for, as a noun: `the score map`. */
  readonly what: string;
  readonly children: (value: T) => ComponentChildren;
}

/** An answer of the server's once it is there; until then that it is waited for, or why it does not come. */
export function Answer<T>({ of: loading, what, children }: AnswerProps<T>) {
  if (loading.state === 'idle') return null;
  if (loading.state === 'failed') return <Failure message={loading.message} />;
  if (loading.state !== 'done') return <Busy what={`Waiting for ${what}`} />;
  return <>{children(loading.value)}</>;
}
