import { useCallback, useEffect, useState } from 'preact/hooks';
import type { RunSummary, RunsResponse } from '../../../src/serve/contract/run-schemas.ts';
import { getJson, sentenceOf } from '../api/client.ts';

const EVERY = 4000; // milliseconds

export interface RunList {
  readonly runs: readonly RunSummary[] | undefined;
  readonly failure: string | undefined;
  readonly refresh: () => void;
}

/** Returns the list of runs, refreshed while the page is visible so that new runs appear. */
export function useRuns(): RunList {
  const [list, setList] = useState<Omit<RunList, 'refresh'>>({ runs: undefined, failure: undefined });
  const refresh = useCallback(() => {
    getJson<RunsResponse>('v1/runs').then(
      ({ runs }) => setList({ runs, failure: undefined }),
      (error: unknown) => setList(({ runs }) => ({ runs, failure: sentenceOf(error) })),
    );
  }, []);
  useEffect(() => {
    refresh();
    const timer = setInterval(() => {
      if (!document.hidden) refresh();
    }, EVERY);
    return () => clearInterval(timer);
  }, []);
  return { ...list, refresh };
}
