import type { RankedClass } from '../../../src/serve/contract/common.ts';
import { percent } from './format.ts';

interface TopClassesProps {
  readonly label: string;
  readonly top: readonly RankedClass[];
}

/** The most probable classes as bars, best first. */
export function TopClasses({ label, top }: TopClassesProps) {
  return (
    <ol class="top-classes" aria-label={label}>
      {top.map(({ index, label: name, probability }) => (
        <li key={index}>
          <span class="name" title={name}>
            {name}
          </span>
          <span class="value">{percent(probability)}</span>
          <span class="track" aria-hidden="true">
            <span class="bar" style={{ width: `${100 * probability}%` }} />
          </span>
        </li>
      ))}
    </ol>
  );
}
