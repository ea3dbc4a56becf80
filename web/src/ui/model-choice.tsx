import { useId } from 'preact/hooks';
import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { addressOf } from '../api/client.ts';
import { count, short } from './display-values.ts';

interface ModelChoiceProps {
  readonly model: ModelInfo;
  readonly models: readonly ModelInfo[];
  readonly onModel: (name: string) => void;
}

/** Shows the model in use in one line, and a choice if the server has several. */
export function ModelChoice({ model, models, onModel }: ModelChoiceProps) {
  const id = useId();
  const { name: served, config, width, classes, parameters, weightLayers, hasCard } = model;
  return (
    <div class="model">
      {models.length > 1 && (
        <>
          <label for={id}>Model</label>
          <select id={id} value={model.name} onChange={({ currentTarget }) => onModel(currentTarget.value)}>
            {models.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </>
      )}
      <p>
        Network <strong>{config}</strong>
        {width !== 1 && `, ${nameOfWidth(width)}`}: {weightLayers} weight layers, {short(parameters)}{' '}
        parameters, {count(classes)} classes
        {hasCard && (
          <>
            {' · '}
            <a href={addressOf('v1/model/card', { model: served })} target="_blank" rel="noreferrer">
              Model card
            </a>
          </>
        )}
      </p>
    </div>
  );
}

function nameOfWidth(width: number): string {
  const names: Readonly<Record<number, string>> = { 0.25: 'quarter width', 0.5: 'half width' };
  const name = names[width];
  return name ? `${name} (×${width})` : `width ×${width}`;
}
