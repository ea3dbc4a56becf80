import type { RunResponse, RunSummary } from '../../../src/serve/contract/run-schemas.ts';
import { getJson } from '../api/client.ts';
import { useRequest } from '../api/use-request.ts';
import { DataTable } from '../ui/data-table.tsx';
import { count, duration, figure, percent } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { errorName, nameOf } from './run-facts.ts';

type Recipe = RunResponse['recipe'];

/** Compares runs by the recipe keys in which they differ, and by their results. */
export function Comparison({ runs }: { readonly runs: readonly RunSummary[] }) {
  const key = runs.map(({ id, state, best }) => `${id} ${state} ${best?.iteration}`).join();
  const answer = useRequest(`comparison ${key}`, (signal) =>
    Promise.all(runs.map(({ id }) => getJson<RunResponse>(`v1/runs/${encodeURIComponent(id)}`, {}, signal))),
  );
  return (
    <section class="panel" aria-labelledby="comparison">
      <h2 id="comparison">Comparison</h2>
      <Answer of={answer} what="the recipes">
        {(found) => {
          const keys = differingKeys(found.map(({ recipe }) => recipe));
          return (
            <>
              <DataTable
                caption="Runs by the settings in which they differ"
                columns={['Run', ...keys, `Best ${errorName(runs)}`, 'Iteration', 'Training time']}
                rows={found.map((run) => [
                  nameOf(run),
                  ...keys.map((name) => cell(run.recipe[name])),
                  run.best ? percent(run.best.top1Error) : '–',
                  run.best ? count(run.best.iteration) : '–',
                  run.result ? duration(run.result.seconds) : '–',
                ])}
              />
              {keys.length === 0 && <p class="hint">Their recipes are the same.</p>}
            </>
          );
        }}
      </Answer>
    </section>
  );
}

function differingKeys(recipes: readonly Recipe[]): string[] {
  const keys = new Set(recipes.flatMap((recipe) => Object.keys(recipe)));
  return [...keys].filter((key) => new Set(recipes.map((recipe) => recipe[key])).size > 1);
}

function cell(value: Recipe[string] | undefined): string {
  if (value === undefined) return '–';
  return typeof value === 'number' ? figure(value) : String(value);
}
