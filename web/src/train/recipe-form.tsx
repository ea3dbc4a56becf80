import { useId } from 'preact/hooks';
import type { RecipeSettings } from './recipe-settings.ts';

interface RecipeFormProps {
  readonly value: RecipeSettings;
  /** Called with only the changed fields, since two may change before the form is rendered again. */
  readonly onChange: (change: Partial<RecipeSettings>) => void;
  readonly disabled: boolean;
}

const CONFIGS = ['A', 'A-LRN', 'B', 'C', 'D', 'E'] as const;
const CHOICES = {
  width: [0.05, 0.1, 0.25, 0.5],
  crop: [32, 64, 96],
  batch: [8, 16, 32, 64, 128],
  lr: [0.02, 0.01, 0.005, 0.002, 0.001],
  dropout: [0, 0.1, 0.2, 0.5],
} as const;
const NAMES = {
  width: 'Width (× paper)',
  crop: 'Crop size (px)',
  batch: 'Batch size',
  lr: 'Learning rate',
  dropout: 'Dropout (fc6, fc7)',
} as const;
const MOST_EPOCHS = 500;

/** The recipe settings that can be changed on the page. */
export function RecipeForm({ value, onChange, disabled }: RecipeFormProps) {
  const id = useId();
  return (
    <section class="panel" aria-labelledby="recipe">
      <h2 id="recipe">Recipe</h2>
      <fieldset class="settings" disabled={disabled}>
        <legend class="visually-hidden">Training settings</legend>
        <div class="field">
          <label for={`${id}-epochs`}>Epochs</label>
          <input
            id={`${id}-epochs`}
            type="number"
            min={1}
            max={MOST_EPOCHS}
            value={value.epochs}
            onChange={({ currentTarget }) => {
              const epochs = Math.round(Number(currentTarget.value));
              onChange({ epochs: Math.min(MOST_EPOCHS, Math.max(1, epochs || 1)) });
            }}
          />
        </div>
      </fieldset>
      <details>
        <summary>Advanced settings</summary>
        <fieldset class="settings" disabled={disabled}>
          <legend class="visually-hidden">Advanced settings</legend>
          <div class="field">
            <label for={`${id}-config`}>Architecture</label>
            <select
              id={`${id}-config`}
              value={value.config}
              onChange={({ currentTarget }) =>
                onChange({ config: currentTarget.value as RecipeSettings['config'] })
              }
            >
              {CONFIGS.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </div>
          {(['width', 'crop', 'batch', 'lr', 'dropout'] as const).map((key) => (
            <div class="field" key={key}>
              <label for={`${id}-${key}`}>{NAMES[key]}</label>
              <select
                id={`${id}-${key}`}
                value={value[key]}
                onChange={({ currentTarget }) => onChange({ [key]: Number(currentTarget.value) })}
              >
                {CHOICES[key].map((choice) => (
                  <option key={choice} value={choice}>
                    {choice}
                  </option>
                ))}
              </select>
            </div>
          ))}
        </fieldset>
        <p class="hint">
          Everything else follows the paper: momentum, weight decay, flips, random crops where images are
          larger than the crop, and color shifts where they are in color. The learning rate drops to a tenth
          for the last quarter of the epochs.
        </p>
      </details>
    </section>
  );
}
