import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, sentenceOf } from './client.ts';

export type RequestState<T> =
  | { readonly state: 'idle' | 'loading' }
  | { readonly state: 'done'; readonly value: T }
  | {
      readonly state: 'failed';
      readonly message: string;
      /** Undefined if it is not an ApiError. */
      readonly code: ApiError['code'] | undefined;
      /** Repeats the request. */
      readonly retry: () => void;
    };

/**
 * Sends a request, and sends it again whenever `key` changes. A response that arrives after the next change is dropped.
 * @param key everything that the request depends on, as one string; undefined: no request yet
 */
export function useRequest<T>(
  key: string | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): RequestState<T> {
  const [answer, setAnswer] = useState<{ key: string; loading: RequestState<T> }>();
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (key === undefined) return;
    const controller = new AbortController();
    const settle = (loading: RequestState<T>) => {
      if (!controller.signal.aborted) setAnswer({ key, loading });
    };
    settle({ state: 'loading' });
    run(controller.signal).then(
      (value) => settle({ state: 'done', value }),
      (error: unknown) =>
        settle({
          state: 'failed',
          message: sentenceOf(error),
          code: error instanceof ApiError ? error.code : undefined,
          retry: () => setAttempt((before) => before + 1),
        }),
    );
    return () => controller.abort();
  }, [key, attempt]);
  if (key === undefined) return { state: 'idle' };
  return answer?.key === key ? answer.loading : { state: 'loading' };
}

/** Keeps the last response of a request while the next one is loading. */
export function useKept<T>(request: RequestState<T>): RequestState<T> {
  const kept = useRef<RequestState<T>>(request);
  if (request.state !== 'loading') kept.current = request;
  return kept.current.state === 'done' ? kept.current : request;
}
