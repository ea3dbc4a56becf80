import { useId } from 'preact/hooks';
import type { Settings } from './image-source.ts';

interface SettingsProps {
  readonly value: Settings;
  /** What has changed: two fields may do so before the form is drawn again. */
  readonly onChange: (change: Partial<Settings>) => void;
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
  width: 'Width, of the paper’s channels',
  crop: 'Side of the crop, pixels',
  batch: 'Images a step',
  lr: 'Learning rate',
  dropout: 'Dropout, of fc6 and fc7',
} as const;
const MOST_EPOCHS = 500;

/** The recipe, as much of it as can be chosen here. */
export function SettingsForm({ value, onChange, disabled }: SettingsProps) {
  const id = useId();
  return (
    <section class="panel" aria-labelledby="recipe">
      <h2 id="recipe">Recipe</h2>
      <fieldset class="settings" disabled={disabled}>
        <legend class="unseen">What is trained, and how</legend>
        <div class="field">
          <label for={`${id}-config`}>Network of Table 1</label>
          <select
            id={`${id}-config`}
            value={value.config}
            onChange={({ currentTarget }) => onChange({ config: currentTarget.value as Settings['config'] })}
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
        <div class="field">
          <label for={`${id}-epochs`}>Passes over the images</label>
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
      <p class="hint">
        The rest is the paper's: momentum, weight decay, flips, and random crops and colour shifts where
        images are large and coloured. The rate drops to a tenth for the last quarter of the passes.
      </p>
    </section>
  );
}
