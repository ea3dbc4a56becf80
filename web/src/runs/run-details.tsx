import { useState } from 'preact/hooks';
import type {
  MetricsLine,
  RunResponse,
  RunSummary,
  TablesResponse,
  UseResponse,
} from '../../../src/serve/contract/run-schemas.ts';
import { addressOf, getJson, postJson, sentenceOf } from '../api/client.ts';
import { useRequest } from '../api/use-request.ts';
import { saveBlob } from '../state/user-files.ts';
import { DataTable } from '../ui/data-table.tsx';
import { count, duration } from '../ui/display-values.ts';
import { Answer, Failure } from '../ui/notices.tsx';
import { metricsCsv } from './metrics-csv.ts';
import { nameOf } from './run-facts.ts';
import { RunNotes } from './run-notes.tsx';

const REASONS: Readonly<Record<NonNullable<RunResponse['result']>['reason'], string>> = {
  iterations: 'all iterations completed',
  plateau: 'the validation error stopped improving',
  interrupted: 'interrupted; it can be resumed',
};

interface RunDetailsProps {
  readonly run: RunSummary;
  readonly lines: readonly MetricsLine[];
  /** Called when the run's name or notes have changed. */
  readonly onChanged: () => void;
  /** Called with the name of the run's model once the server can use it. */
  readonly onUse: (model: string) => void;
}

/** The actions, notes, result tables and recipe of one run. */
export function RunDetails({ run, lines, onChanged, onUse }: RunDetailsProps) {
  const { id, state } = run;
  const path = pathOf(run);
  const details = useRequest(`${id} ${state}`, (signal) => getJson<RunResponse>(path, {}, signal));
  const tables = useRequest(`${id} ${state} tables ${run.best?.iteration}`, (signal) =>
    getJson<TablesResponse>(`${path}/tables`, {}, signal),
  );
  return (
    <section class="panel" aria-labelledby="details">
      <h2 id="details">{nameOf(run)}</h2>
      <Actions run={run} lines={lines} onUse={onUse} />
      <Answer of={details} what={`run ${id}`}>
        {({ result, recipeYaml }) => (
          <>
            {result && (
              <p>
                Ended after {count(result.iterations)} iterations and {duration(result.seconds)}:{' '}
                {REASONS[result.reason]}.
              </p>
            )}
            <RunNotes run={run} onChanged={onChanged} />
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

function pathOf({ id }: RunSummary): string {
  return `v1/runs/${encodeURIComponent(id)}`;
}

function Actions({ run, lines, onUse }: Omit<RunDetailsProps, 'onChanged'>) {
  const [use, setUse] = useState<{ busy: boolean; failure?: string }>({ busy: false });
  const path = pathOf(run);
  const useModel = async () => {
    setUse({ busy: true });
    try {
      onUse((await postJson<UseResponse>(`${path}/use`)).model);
    } catch (error) {
      setUse({ busy: false, failure: sentenceOf(error) });
    }
  };
  return (
    <>
      <p class="buttons">
        {run.hasModel && (
          <>
            {/* Without classes, a model cannot be used alone. */}
            {run.task === 'classify' && (
              <button type="button" class="primary" disabled={use.busy} onClick={() => void useModel()}>
                {use.busy ? 'Loading the model…' : 'Use this model'}
              </button>
            )}
            {run.hasReport && (
              <>
                <a class="button quiet" href={addressOf(`${path}/report`)} target="_blank" rel="noreferrer">
                  Open report
                </a>
                <a class="button quiet" href={addressOf(`${path}/card`)} target="_blank" rel="noreferrer">
                  Model card
                </a>
              </>
            )}
            <a class="button quiet" href={addressOf(`${path}/model`)} download>
              Download model
            </a>
          </>
        )}
        <button
          type="button"
          class="quiet"
          disabled={lines.length === 0}
          onClick={() =>
            saveBlob(new Blob([metricsCsv(lines)], { type: 'text/csv' }), `${run.id}-metrics.csv`)
          }
        >
          Download metrics
        </button>
      </p>
      {use.failure && <Failure message={use.failure} />}
    </>
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
