import { useMemo, useState } from 'preact/hooks';
import type { Limits, ModelInfo } from '../../../src/serve/contract/model.ts';
import { localModel, useLocalModel } from '../in-browser/local-model.ts';
import { RunHere } from '../in-browser/run-in-browser.tsx';
import { NetworkStrip } from '../layers/network-drawing.tsx';
import type { Picture } from '../state/picture.ts';
import { Choice } from '../ui/choice.tsx';
import { ModelChoice } from '../ui/model-choice.tsx';
import { PicturePicker } from '../ui/picture-picker.tsx';
import { CropGrid } from './crop-grid.tsx';
import { localLooker, serverLooker } from './inference.ts';
import { Protocols } from './protocols.tsx';
import { ScoreMap } from './score-map.tsx';

export interface ClassifyProps {
  readonly model: ModelInfo;
  readonly models: readonly ModelInfo[];
  readonly onModel: (name: string) => void;
  readonly limits: Limits;
  /** Whether the server gives its models out. */
  readonly weights: boolean;
  readonly picture: Picture | undefined;
  readonly onPicture: (picture: Picture) => void;
}

const LOOKS = [
  ['map', 'Score map'],
  ['crops', 'Crops'],
] as const;

export function Classify({ model, models, onModel, limits, weights, picture, onPicture }: ClassifyProps) {
  const [look, setLook] = useState<(typeof LOOKS)[number][0]>('map');
  const local = useLocalModel(model);
  const looker = useMemo(
    () =>
      local.state === 'ready'
        ? localLooker(model, local.model, (error) => localModel.fail(error))
        : serverLooker(model),
    [model, local.state === 'ready' && local.model],
  );
  const place = { model, limits, looker };
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
        stays={local.state === 'ready'}
      />
      {weights && <RunHere model={model} state={local} />}
      {!picture && <NetworkStrip model={model} />}
      {picture && (
        <div class="columns">
          <section class="panel seen" aria-labelledby="seen">
            <div class="panel-head">
              <h2 id="seen">Where it looks</h2>
              <Choice
                legend="What is laid over the image"
                bare
                options={LOOKS}
                value={look}
                onChange={setLook}
              />
            </div>
            {look === 'map' ? (
              <ScoreMap key={`${model.name} ${picture.id}`} {...place} picture={picture} />
            ) : (
              <CropGrid key={`${model.name} ${picture.id}`} {...place} picture={picture} />
            )}
          </section>
          <Protocols key={model.name} model={model} models={models} looker={looker} picture={picture} />
        </div>
      )}
    </>
  );
}
