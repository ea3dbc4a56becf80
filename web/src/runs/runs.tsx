import { decoded, go, hrefOf, type Route } from '../state/route.ts';
import { Busy, Failure } from '../ui/notices.tsx';
import { Curves } from './curves.tsx';
import { RunDetails } from './run-details.tsx';
import { RunTable } from './run-table.tsx';
import { SERIES } from './series-colors.ts';
import { useFeeds } from './use-metrics.ts';
import { useRuns } from './use-runs.ts';

/** Trainings: a list, their curves side by side, and everything about one of them. */
export function Runs({ route }: { readonly route: Route }) {
  const { runs, failure, refresh } = useRuns();
  const current = runs?.find(({ id }) => id === route.item) ?? runs?.[0];
  const compared = new Set(route.parameters.get('with')?.split(',').map(decoded));
  const shown = (runs ?? []).filter(({ id }) => id === current?.id || compared.has(id)).slice(0, SERIES);
  const feeds = useFeeds(shown, refresh);
  if (!runs) return failure ? <Failure message={failure} /> : <Busy what="Waiting for the runs" />;
  const show = (id: string, others: readonly string[]) => {
    const rest = others.filter((other) => other !== id);
    go(hrefOf('runs', id, rest.length > 0 ? { with: rest.map(encodeURIComponent).join(',') } : {}));
  };
  const ids = shown.map(({ id }) => id);
  return (
    <>
      <div class="title">
        <h1>Runs</h1>
      </div>
      {failure && <Failure message={failure} />}
      {!current ? (
        <NoRuns />
      ) : (
        <>
          {route.item && route.item !== current.id && (
            <Failure message={`There is no run ${route.item} here; the newest is shown.`} />
          )}
          <RunTable
            runs={runs}
            shown={ids}
            current={current.id}
            onCurrent={(id) => show(id, ids.includes(id) ? ids : [])}
            onToggle={(id) => {
              if (!ids.includes(id)) show(current.id, [...ids, id]);
              else if (id !== current.id)
                show(
                  current.id,
                  ids.filter((other) => other !== id),
                );
              else if (ids.length > 1)
                show(
                  ids.find((other) => other !== id)!,
                  ids.filter((other) => other !== id),
                );
            }}
          />
          <Curves runs={shown} feeds={feeds} />
          <RunDetails run={current} />
        </>
      )}
    </>
  );
}

function NoRuns() {
  return (
    <section class="empty">
      <p>No training has been started in this server's folder of runs. For instance:</p>
      <pre>
        <code>npx vgg train photos --config A --width 0.5 --crop 64 --scale 72 --out runs/photos</code>
      </pre>
      <p>It appears here by itself.</p>
    </section>
  );
}
