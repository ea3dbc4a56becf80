import { useMemo, useState } from 'preact/hooks';
import type { Limits, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import type { FamiliarityResponse } from '../../../src/serve/contract/predict-schemas.ts';
import { useRequest } from '../api/use-request.ts';
import { Stage } from '../draw/stage.tsx';
import { localModel, useLocalModel } from '../in-browser/local-model.ts';
import { RunInBrowser } from '../in-browser/run-in-browser.tsx';
import { NetworkDrawing } from '../layers/network-drawing.tsx';
import type { Picture } from '../state/user-files.ts';
import { Choice } from '../ui/choice.tsx';
import { ModelChoice } from '../ui/model-choice.tsx';
import { PicturePicker } from '../ui/picture-picker.tsx';
import { BoxView } from './box-view.tsx';
import { GradCam, OcclusionMap } from './class-maps.tsx';
import { CropGrid } from './crop-grid.tsx';
import { browserInference, type Inference, serverInference } from './inference.ts';
import { KnownClasses } from './known-classes.tsx';
import { Protocols } from './protocols.tsx';
import { Samples } from './samples.tsx';
import { ScoreMap } from './score-map.tsx';
import { Verdict } from './verdict.tsx';

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

export function Classify(props: ClassifyProps) {
  const { model, models, onModel, limits, weights, picture, onPicture } = props;
  const local = useLocalModel(model);
  const inference = useMemo(
    () =>
      local.state === 'ready'
        ? browserInference(model, local.model, (error) => localModel.fail(error))
        : serverInference(model),
    [model.name, model.checksum, local.state === 'ready' && local.model],
  );
  const samples = <Samples model={model} limits={limits} picture={picture} onPicture={onPicture} />;
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
      {!picture && samples}
      {weights && <RunInBrowser model={model} state={local} />}
      {picture ? (
        <>
          <Result key={model.name} {...props} inference={inference} picture={picture} />
          {samples}
        </>
      ) : (
        <>
          <KnownClasses model={model} />
          <NetworkDrawing model={model} />
        </>
      )}
    </>
  );
}

interface ResultProps extends ClassifyProps {
  readonly inference: Inference;
  readonly picture: Picture;
}

/** The prediction, and what it rests on. */
function Result({ model, models, limits, inference, picture }: ResultProps) {
  const [predictor, setPredictor] = useState<'one' | 'all'>('one');
  const hasEnsemble =
    inference.hasEnsemble && models.length > 1 && models.every((other) => haveSameClasses(model, other));
  const ensemble = hasEnsemble && predictor === 'all';
  const key = `${inference.id} ${model.checksum} ${picture.id}`;
  const scales = String(model.defaultScale);
  const verdict = useRequest(`${key} ${ensemble}`, (signal) =>
    inference.predict(picture, { protocol: 'dense', scales, ensemble }, signal),
  );
  const { familiarity } = inference;
  const compared = useRequest<FamiliarityResponse>(
    familiarity && verdict.state === 'done' ? `familiarity ${key}` : undefined,
    (signal) => familiarity!(picture, signal),
  );
  const image = verdict.state === 'done' ? verdict.value.images[0] : undefined;
  const top = image?.top;
  return (
    <div class="columns">
      <section class="panel" aria-labelledby="prediction">
        <h2 id="prediction">Prediction</h2>
        {hasEnsemble && (
          <Choice
            legend="Prediction of"
            options={[
              ['one', model.name],
              ['all', `mean of all ${models.length} models`],
            ]}
            value={predictor}
            onChange={setPredictor}
          />
        )}
        <Verdict
          answer={verdict}
          familiarity={compared.state === 'done' ? compared.value : undefined}
          picture={picture}
          scale={model.defaultScale}
        />
        <Protocols model={model} inference={inference} picture={picture} ensemble={ensemble} />
      </section>
      <section class="panel" aria-labelledby="evidence">
        {image && top ? (
          <Evidence key={picture.id} {...{ model, limits, inference, picture, top, image }} />
        ) : (
          <>
            <h2 id="evidence">Evidence</h2>
            <Stage picture={picture} label={`Image ${picture.name}`} />
          </>
        )}
        {ensemble && <p class="hint">The evidence is that of {model.name} alone.</p>}
      </section>
    </div>
  );
}

const OVERLAYS = {
  occlusion: ['Occlusion', OcclusionMap],
  'grad-cam': ['Grad-CAM', GradCam],
  map: ['Score map', ScoreMap],
  crops: ['Crops', CropGrid],
} as const;
type OverlayName = keyof typeof OVERLAYS;

const OPTIONS = Object.entries(OVERLAYS).map(([name, [title]]) => [name as OverlayName, title] as const);

type EvidenceProps = Parameters<typeof OcclusionMap>[0] & Parameters<typeof BoxView>[0];

function Evidence(props: EvidenceProps) {
  const hasBoxes = props.image.top[0]?.box !== undefined;
  const [chosen, setOverlay] = useState<OverlayName | 'boxes'>(
    hasBoxes ? 'boxes' : firstOverlay(props.model),
  );
  // The model in this browser gives no boxes.
  const overlay = chosen === 'boxes' && !hasBoxes ? firstOverlay(props.model) : chosen;
  const Overlay = overlay === 'boxes' ? BoxView : OVERLAYS[overlay][1];
  const options = hasBoxes ? [['boxes', 'Box'] as const, ...OPTIONS] : OPTIONS;
  return (
    <>
      <div class="panel-head">
        <h2 id="evidence">Evidence</h2>
        <Choice legend="View" bare options={options} value={overlay} onChange={setOverlay} />
      </div>
      <Overlay {...props} />
    </>
  );
}

/** Pixels between the values of the last convolution. */
const STRIDE = 16;
const ENOUGH_VALUES = 7;

/** Grad-CAM takes one pass, but small images leave it a map of a few values; then occlusions show more. */
function firstOverlay({ defaultScale }: ModelInfo): OverlayName {
  return defaultScale / STRIDE >= ENOUGH_VALUES ? 'grad-cam' : 'occlusion';
}

/** Whether two models have the same classes, in any order. */
function haveSameClasses(a: ModelInfo, b: ModelInfo): boolean {
  const [own, other] = [a, b].map(({ labels }) => JSON.stringify(labels.toSorted()));
  return own === other;
}
