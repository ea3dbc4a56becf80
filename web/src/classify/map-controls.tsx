import { useId } from 'preact/hooks';
import type { Limits, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import type { Picture } from '../state/user-files.ts';
import { Choice } from '../ui/choice.tsx';
import { percent } from '../ui/display-values.ts';
import { isEnlarged, mapScales } from './scale-choices.ts';

interface ScaleChoiceProps {
  readonly model: ModelInfo;
  readonly limits: Limits;
  readonly picture: Picture;
  readonly value: number;
  readonly onChange: (scale: number) => void;
}

/** The scale of a map, with a warning beyond those that the model was trained at. */
export function ScaleChoice({ model, limits, picture, value, onChange }: ScaleChoiceProps) {
  const scales = mapScales(model, limits, picture.pixels);
  return (
    <>
      <Choice
        legend="Scale (smaller side, px)"
        options={scales.map((scale) => [scale, String(scale)] as const)}
        value={value}
        onChange={onChange}
      />
      {isEnlarged(model, value) && (
        <p class="hint enlarged" role="status">
          Enlarged beyond the scale that the model was trained at (
          {model.trainedScale?.max ?? model.defaultScale} px): its probabilities here may differ from the
          prediction.
        </p>
      )}
    </>
  );
}

interface OpacityProps {
  readonly value: number;
  readonly onChange: (value: number) => void;
}

export function Opacity({ value, onChange }: OpacityProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        Opacity <output for={id}>{percent(value, 0)}</output>
      </label>
      <input
        id={id}
        type="range"
        min="0"
        max="1"
        step="0.05"
        value={value}
        onInput={({ currentTarget }) => onChange(Number(currentTarget.value))}
      />
    </div>
  );
}

/** The opacity of a map at first. */
export const OPACITY = 0.6;
