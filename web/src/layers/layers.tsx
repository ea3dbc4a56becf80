import { useEffect, useRef, useState } from 'preact/hooks';
import type { ClassifyProps } from '../classify/classify.tsx';
import { go, hrefOf, type Route } from '../state/route.ts';
import { count, short } from '../ui/display-values.ts';
import { ModelChoice } from '../ui/model-choice.tsx';
import { PicturePicker } from '../ui/picture-picker.tsx';
import { Activations } from './activations.tsx';
import { Filters } from './filters.tsx';
import { LayerTable } from './layer-table.tsx';

export interface LayersProps extends Omit<ClassifyProps, 'weights'> {
  readonly route: Route;
}

/** Shows the network as a column of Table 1, and the output of each layer for the picture. */
export function Layers({ model, models, onModel, limits, picture, onPicture, route }: LayersProps) {
  const [first] = model.layers.filter(({ activations }) => activations);
  const layer = model.layers.find(({ name, activations }) => activations && name === route.item) ?? first!;
  const panel = useRef<HTMLElement>(null);
  const [opened, setOpened] = useState(0); // counts the user's choices, each of which scrolls the panel into view
  useEffect(() => {
    if (opened > 0) panel.current?.scrollIntoView({ block: 'nearest' });
  }, [opened]);
  return (
    <>
      <div class="title">
        <h1>Network layers</h1>
        <ModelChoice model={model} models={models} onModel={onModel} />
      </div>
      <div class="columns layers">
        <section class="panel" aria-labelledby="network">
          <h2 id="network">Architecture</h2>
          <p class="hint">
            {count(model.parameters)} parameters, {short(model.multiplyAdds)} multiply-adds for a crop of{' '}
            {model.crop} × {model.crop} pixels. Choose a layer to see its output for your image.
          </p>
          <LayerTable
            model={model}
            selected={layer.name}
            onSelect={(name) => {
              go(hrefOf('layers', name));
              setOpened(opened + 1);
            }}
          />
        </section>
        <div class="layer-side">
          {layer.name === 'conv1_1' && <Filters key={model.name} model={model} />}
          <section class="panel" aria-labelledby="activations" ref={panel}>
            <h2 id="activations">
              Output of <code>{layer.name}</code>
            </h2>
            <PicturePicker picture={picture} limits={limits} onPicture={onPicture} />
            {picture && <Activations model={model} layer={layer} picture={picture} />}
          </section>
        </div>
      </div>
    </>
  );
}
