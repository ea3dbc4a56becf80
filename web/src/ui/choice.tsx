import { useId } from 'preact/hooks';

interface ChoiceProps<T extends string | number> {
  readonly legend: string;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly value: T;
  readonly onChange: (value: T) => void;
  /** Whether only the options are seen. */
  readonly bare?: boolean;
}

/** One of a few, side by side: radio buttons, so arrow keys move between them. */
export function Choice<T extends string | number>({
  legend,
  options,
  value,
  onChange,
  bare,
}: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend class={bare ? 'unseen' : undefined}>{legend}</legend>
      <div class="segments">
        {options.map(([option, text]) => (
          <label key={option} class="segment">
            <input
              type="radio"
              name={name}
              value={option}
              checked={option === value}
              onChange={() => onChange(option)}
            />
            <span>{text}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
