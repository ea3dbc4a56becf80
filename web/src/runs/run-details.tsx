import type { RunResponse, RunSummary, TablesResponse } from '../../../src/serve/contract/run-schemas.ts';
import { addressOf, getJson } from '../api/client.ts';
import { useRequest } from '../api/use-request.ts';
import { saveBlob } from '../state/user-files.ts';
import { DataTable } from '../ui/data-table.tsx';
import { count, duration } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';

const REASONS: Readonly<Record<NonNullable<RunResponse['result']>['reason'], string>> = {
  iterations: 'all iterations completed',
  plateau: 'the validation error stopped improving',
  interrupted: 'interrupted; it can be resumed',
};

/** The result tables, report and recipe of one run. */
export function RunDetails({ run }: { readonly run: RunSummary }) {
  const { id, state, hasReport } = run;
  const path = `v1/runs/${encodeURIComponent(id)}`;
  const details = useRequest(`${id} ${state}`, (signal) => getJson<RunResponse>(path, {}, signal));
  const tables = useRequest(`${id} ${state} tables`, (signal) =>
    getJson<TablesResponse>(`${path}/tables`, {}, signal),
  );
  return (
    <section class="panel" aria-labelledby="details">
      <div class="panel-head">
        <h2 id="details">{id}</h2>
        {hasReport && (
          <a class="button" href={addressOf(`${path}/report`)} target="_blank" rel="noreferrer">
            Open report
          </a>
        )}
      </div>
      <Answer of={details} what={`run ${id}`}>
        {({ result, recipeYaml }) => (
          <>
            {result && (
              <p>
                Ended after {count(result.iterations)} iterations and {duration(result.seconds)}:{' '}
                {REASONS[result.reason]}.
              </p>
            )}
            <details>
              <summary>Recipe</summary>
              <RecipeText id={id} text={recipeYaml} />
            </details>
          </>
        )}
      </Answer>
      <Answer of={tables} what="the tables">
        {(answer) => (
          <div class="tables">
            {answer.tables.map(({ title, columns, rows }) => (
              <DataTable key={title} caption={title} columns={columns} rows={rows} />
            ))}
          </div>
        )}
      </Answer>
    </section>
  );
}

/** The recipe, which can be saved for `vgg train --recipe`. */
function RecipeText({ id, text }: { readonly id: string; readonly text: string }) {
  const save = () => saveBlob(new Blob([text], { type: 'application/yaml' }), `${id}.yaml`);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre class="scroller" tabIndex={0}>
        <code>{text}</code>
      </pre>
      <button type="button" class="quiet" onClick={save}>
        Save as {id}.yaml
      </button>
    </>
  );
}
