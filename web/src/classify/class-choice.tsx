import { useId } from 'preact/hooks';
import type { RankedClass } from '../../../src/serve/contract/common-schemas.ts';
import { percent } from '../ui/display-values.ts';

interface ClassChoiceProps {
  readonly labels: readonly string[];
  /** The most probable classes, which come first. */
  readonly top: readonly RankedClass[];
  readonly value: number | undefined;
  readonly onChange: (index: number) => void;
}

export function ClassChoice({ labels, top, value, onChange }: ClassChoiceProps) {
  const id = useId();
  const topIndices = new Set(top.map(({ index }) => index));
  return (
    <div class="field">
      <label for={id}>Class</label>
      <select id={id} value={value} onChange={({ currentTarget }) => onChange(Number(currentTarget.value))}>
        <optgroup label="Most probable">
          {top.map(({ index, label, probability }) => (
            <option key={index} value={index}>
              {label} ({percent(probability)})
            </option>
          ))}
        </optgroup>
        <optgroup label="Other classes">
          {labels.map(
            (label, index) =>
              !topIndices.has(index) && (
                <option key={label} value={index}>
                  {label}
                </option>
              ),
          )}
        </optgroup>
      </select>
    </div>
  );
}
