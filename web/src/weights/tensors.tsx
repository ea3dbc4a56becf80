import { useState } from 'preact/hooks';
import type { OpenWeightFile, TensorStatistics } from '../../../src/browser/weight-file.ts';
import { useRequest } from '../api/use-request.ts';
import { count, figure, percent, short } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';

/** The tensors of a file in its order, and the statistics of the chosen one. */
export function Tensors({ file }: { readonly file: OpenWeightFile }) {
  const { tensors } = file.inspection;
  const [chosen, setChosen] = useState(tensors[0]?.name);
  return (
    <section class="panel" aria-labelledby="tensors">
      <h2 id="tensors">Tensors</h2>
      {chosen !== undefined && <Statistics file={file} name={chosen} />}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section class="scroller tensor-list" tabIndex={0} aria-label="All tensors">
        <table class="data">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Shape</th>
              <th scope="col">Type</th>
              <th scope="col">Values</th>
            </tr>
          </thead>
          <tbody>
            {tensors.map(({ name, shape, type }) => (
              <tr key={name} class={name === chosen ? 'selected' : undefined}>
                <th scope="row">
                  <button type="button" aria-pressed={name === chosen} onClick={() => setChosen(name)}>
                    {name}
                  </button>
                </th>
                <td>{shape.length > 0 ? shape.join(' × ') : 'one value'}</td>
                <td>{type}</td>
                <td>{short(shape.reduce((product, extent) => product * extent, 1))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}

function Statistics({ file, name }: { readonly file: OpenWeightFile; readonly name: string }) {
  const answer = useRequest(`statistics ${name}`, () => file.statistics(name));
  return (
    <div class="statistics">
      <h3>{name}</h3>
      <Answer of={answer} what="the values">
        {(found) => (
          <>
            <Histogram name={name} found={found} />
            <dl class="facts">
              {factsOf(found).map(([title, value]) => (
                <div key={title}>
                  <dt>{title}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </>
        )}
      </Answer>
    </div>
  );
}

function factsOf(found: TensorStatistics): [string, string][] {
  return [
    ['Values', count(found.values)],
    ['Minimum', figure(found.minimum)],
    ['Maximum', figure(found.maximum)],
    ['Mean', figure(found.mean)],
    ['Standard deviation', figure(found.deviation)],
    ['Zeros', percent(found.zeros)],
    ...(found.invalid > 0 ? [['Not finite', count(found.invalid)] as [string, string]] : []),
  ];
}

const HEIGHT = 90;

function Histogram({ name, found }: { readonly name: string; readonly found: TensorStatistics }) {
  const { histogram, minimum, maximum } = found;
  const most = Math.max(1, ...histogram);
  return (
    <figure class="histogram">
      <svg
        viewBox={`0 0 ${histogram.length} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`Histogram of ${name} from ${figure(minimum)} to ${figure(maximum)}`}
      >
        {histogram.map((values, i) => {
          const high = (HEIGHT * values) / most;
          return <rect key={i} x={i} y={HEIGHT - high} width={0.9} height={high} />;
        })}
      </svg>
      <figcaption class="hint">
        <span>{figure(minimum)}</span>
        <span>{figure(maximum)}</span>
      </figcaption>
    </figure>
  );
}
