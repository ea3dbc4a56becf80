import { useEffect, useState } from 'preact/hooks';
import { ApiError, sentenceOf } from './client.ts';

export type RequestState<T> =
  | { readonly state: 'idle' | 'loading' }
  | { readonly state: 'done'; readonly value: T }
  | {
      readonly state: 'failed';
      readonly message: string;
      /** Undefined: not an ApiError. */
      readonly code: ApiError['code'] | undefined;
      /** Makes the request again. */
      readonly retry: () => void;
    };

/**
 * Runs a request, and runs it again whenever `key` changes. An answer that comes after the next change is dropped.
 * @param key everything that the request depends on, as one text; undefined: no request yet
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
