import type { RankedClass } from '../../../src/serve/contract/common-schemas.ts';
import { percent } from './display-values.ts';

export interface ValueBar {
  readonly key: number;
  readonly name: string;
  /** The value as text. */
  readonly value: string;
  /** Fraction of the track that the bar fills, −1 to 1; negative values have another color. */
  readonly length: number;
}

interface ValueBarsProps {
  readonly label: string;
  readonly bars: readonly ValueBar[];
  readonly class?: string;
}

/** Shows named values as horizontal bars. */
export function ValueBars({ label, bars, class: name = '' }: ValueBarsProps) {
  return (
    <ol class={`value-bars ${name}`} aria-label={label}>
      {bars.map((bar) => (
        <li key={bar.key}>
          <span class="name" title={bar.name}>
            {bar.name}
          </span>
          <span class="value">{bar.value}</span>
          <span class="track" aria-hidden="true">
            <span
              class={bar.length < 0 ? 'bar negative' : 'bar'}
              style={{ width: `${100 * Math.abs(bar.length)}%` }}
            />
          </span>
        </li>
      ))}
    </ol>
  );
}

interface TopClassesProps {
  readonly label: string;
  /** Most probable first. */
  readonly top: readonly RankedClass[];
}

export function TopClasses({ label, top }: TopClassesProps) {
  const bars = top.map(({ index, label: name, probability }) => ({
    key: index,
    name,
    value: percent(probability),
    length: probability,
  }));
  return <ValueBars label={label} bars={bars} />;
}
