import type { ComponentChildren } from 'preact';
import type { ApiError } from '../api/client.ts';
import type { RequestState } from '../api/use-request.ts';

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
      {what}…
    </p>
  );
}

/** Failures after which a second attempt may succeed; a rejected image would be rejected again. */
const TEMPORARY: readonly (ApiError['code'] | undefined)[] = ['unreachable', 'busy', 'internal', 'timeout'];

function retryOf({ code, retry }: RequestState<unknown> & { readonly state: 'failed' }) {
  return TEMPORARY.includes(code) ? retry : undefined;
}

interface AnswerProps<T> {
  readonly of: RequestState<T>;
  /** A noun: `the score map`. */
  readonly what: string;
  readonly children: (value: T) => ComponentChildren;
}

/** Shows a request's response, that it is still loading, or why it failed. */
export function Answer<T>({ of: loading, what, children }: AnswerProps<T>) {
  if (loading.state === 'idle') return null;
  if (loading.state === 'failed') return <Failure message={loading.message} onRetry={retryOf(loading)} />;
  if (loading.state !== 'done') return <Busy what={`Waiting for ${what}`} />;
  return <>{children(loading.value)}</>;
}
