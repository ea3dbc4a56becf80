import { figure } from '../ui/format.ts';

interface ValuesProps {
  readonly indices: readonly number[];
  readonly values: readonly number[];
  /** Names of the channels, where they have some. */
  readonly labels: readonly string[] | undefined;
}

/** One number a channel, as bars: what a layer without extent makes of a crop. */
export function Values({ indices, values, labels }: ValuesProps) {
  const most = Math.max(...values.map(Math.abs), Number.EPSILON);
  return (
    <ol class="top-classes values" aria-label="Channels of the largest values">
      {indices.map((channel, i) => (
        <li key={channel}>
          <span class="name">{labels?.[channel] ?? `channel ${channel}`}</span>
          <span class="value">{figure(values[i]!)}</span>
          <span class="track" aria-hidden="true">
            <span
              class={values[i]! < 0 ? 'bar negative' : 'bar'}
              style={{ width: `${(100 * Math.abs(values[i]!)) / most}%` }}
            />
          </span>
        </li>
      ))}
    </ol>
  );
}
