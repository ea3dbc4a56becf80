import type { ComponentChildren } from 'preact';
import type { Loading } from '../api/use-request.ts';

interface FailureProps {
  readonly message: string;
  readonly onRetry?: () => void;
}

export function Failure({ message, onRetry }: FailureProps) {
  return (
    <div class="notice failure">
      <p role="alert">{message}</p>
      {onRetry && (
        <button type="button" class="quiet" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
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

/** What may go well the next time; an image that is refused is refused again. */
const PASSING = ['unreachable', 'busy', 'internal', 'timeout'];

function retryOf({ code, retry }: Loading<unknown> & { readonly state: 'failed' }) {
  return code !== undefined && PASSING.includes(code) ? retry : undefined;
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
  if (loading.state === 'failed') return <Failure message={loading.message} onRetry={retryOf(loading)} />;
  if (loading.state !== 'done') return <Busy what={`Waiting for ${what}`} />;
  return <>{children(loading.value)}</>;
}
