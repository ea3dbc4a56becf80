import { useId } from 'preact/hooks';

interface ChoiceProps<T extends string | number> {
  readonly legend: string;
  readonly options: readonly (readonly [value: T, text: string])[];
  readonly value: T;
  readonly onChange: (value: T) => void;
  /** Shows only the options; screen readers still get the legend (default: false). */
  readonly bare?: boolean;
}

/** A few options side by side: radio buttons, so the arrow keys move between them. */
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
      <legend class={bare ? 'visually-hidden' : undefined}>{legend}</legend>
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
