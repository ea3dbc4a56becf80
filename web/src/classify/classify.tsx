import { useMemo, useState } from 'preact/hooks';
import type { Limits, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { localModel, useLocalModel } from '../in-browser/local-model.ts';
import { RunInBrowser } from '../in-browser/run-in-browser.tsx';
import { NetworkDrawing } from '../layers/network-drawing.tsx';
import type { Picture } from '../state/user-files.ts';
import { Choice } from '../ui/choice.tsx';
import { ModelChoice } from '../ui/model-choice.tsx';
import { PicturePicker } from '../ui/picture-picker.tsx';
import { CropGrid } from './crop-grid.tsx';
import { browserInference, serverInference } from './inference.ts';
import { Protocols } from './protocols.tsx';
import { ScoreMap } from './score-map.tsx';

export interface ClassifyProps {
  readonly model: ModelInfo;
  readonly models: readonly ModelInfo[];
  readonly onModel: (name: string) => void;
  readonly limits: Limits;
  /** Whether the server sends its weights to browsers. */
  readonly weights: boolean;
  readonly picture: Picture | undefined;
  readonly onPicture: (picture: Picture) => void;
}

const OVERLAYS = [
  ['map', 'Score map'],
  ['crops', 'Crops'],
] as const;

export function Classify({ model, models, onModel, limits, weights, picture, onPicture }: ClassifyProps) {
  const [overlay, setOverlay] = useState<(typeof OVERLAYS)[number][0]>('map');
  const local = useLocalModel(model);
  const inference = useMemo(
    () =>
      local.state === 'ready'
        ? browserInference(model, local.model, (error) => localModel.fail(error))
        : serverInference(model),
    [model, local.state === 'ready' && local.model],
  );
  const Overlay = overlay === 'map' ? ScoreMap : CropGrid;
  return (
    <>
      <div class="title">
        <h1>Classify an image</h1>
        <ModelChoice model={model} models={models} onModel={onModel} />
      </div>
      <PicturePicker
        picture={picture}
        limits={limits}
        onPicture={onPicture}
        runsInBrowser={local.state === 'ready'}
      />
      {weights && <RunInBrowser model={model} state={local} />}
      {!picture && <NetworkDrawing model={model} />}
      {picture && (
        <div class="columns">
          <section class="panel" aria-labelledby="evidence">
            <div class="panel-head">
              <h2 id="evidence">Evidence map</h2>
              <Choice legend="Overlay" bare options={OVERLAYS} value={overlay} onChange={setOverlay} />
            </div>
            <Overlay
              key={`${model.name} ${picture.id}`}
              model={model}
              limits={limits}
              inference={inference}
              picture={picture}
            />
          </section>
          <Protocols key={model.name} model={model} models={models} inference={inference} picture={picture} />
        </div>
      )}
    </>
  );
}
