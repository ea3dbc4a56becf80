/** Two maps of what speaks for a class: occlusions, and Grad-CAM. */
import { useState } from 'preact/hooks';
import type { ClassMapResponse } from '../../../src/serve/contract/map-schemas.ts';
import { type RequestState, useRequest } from '../api/use-request.ts';
import { Stage } from '../draw/stage.tsx';
import { percent } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { ClassChoice } from './class-choice.tsx';
import type { OverlayProps } from './inference.ts';
import { OPACITY, Opacity, ScaleChoice } from './map-controls.tsx';
import { MapView } from './map-view.tsx';

interface MapProps {
  readonly picture: OverlayProps['picture'];
  readonly map: ClassMapResponse;
  readonly opacity: number;
}

export function OcclusionMap(props: OverlayProps) {
  return (
    <ClassMapOverlay
      {...props}
      what="the occlusion map"
      ask={(request, signal) => props.inference.occlusion(props.picture, request, signal)}
      draw={(map) => <Occlusions {...map} />}
    />
  );
}

export function GradCam(props: OverlayProps) {
  return (
    <ClassMapOverlay
      {...props}
      what="Grad-CAM"
      ask={(request, signal) => props.inference.gradCam(props.picture, request, signal)}
      draw={(map) => <Gradients {...map} />}
    />
  );
}

interface ClassMapOverlayProps extends OverlayProps {
  readonly what: string;
  readonly ask: (request: { scale: number; class: number }, signal: AbortSignal) => Promise<ClassMapResponse>;
  readonly draw: (map: MapProps) => preact.VNode;
}

function ClassMapOverlay(props: ClassMapOverlayProps) {
  const { model, limits, inference, picture, top, what, ask, draw } = props;
  const [scale, setScale] = useState(model.defaultScale);
  const [chosen, setChosen] = useState<number>();
  const [opacity, setOpacity] = useState(OPACITY);
  const index = chosen ?? top[0]!.index;
  const answer: RequestState<ClassMapResponse> = useRequest(
    `${what} ${picture.id} ${inference.id} ${scale} ${index}`,
    (signal) => ask({ scale, class: index }, signal),
  );
  return (
    <>
      {answer.state !== 'done' && <Stage picture={picture} label={`Image ${picture.name}`} />}
      <Answer of={answer} what={what}>
        {(map) => draw({ picture, map, opacity })}
      </Answer>
      <div class="controls">
        <ClassChoice labels={model.labels} top={top} value={index} onChange={setChosen} />
        <ScaleChoice model={model} limits={limits} picture={picture} value={scale} onChange={setScale} />
        <Opacity value={opacity} onChange={setOpacity} />
      </div>
    </>
  );
}

/** Predictions also average the mirror image, so their probability differs. */
const UNMIRRORED = 'without the mirror image';

/** A drop below this is noise. */
const LEAST_DROP = 0.01;

/** By how much the probability drops when a square hides a part (Zeiler & Fergus, 2014). */
function Occlusions({ picture, map, opacity }: MapProps) {
  const { label, probability } = map.class;
  const drops = map.map.map((left) => Math.max(0, probability - left));
  const most = Math.max(...drops);
  return (
    <MapView
      picture={picture}
      grid={map}
      title={`Occlusion map of ${label}`}
      legend={{ title: `Drop of ${label} when hidden`, from: '0', to: `${points(most)} points` }}
      levels={drops.map((drop) => (most < LEAST_DROP ? 0 : drop / most))}
      values={map.map.map((left) => percent(left))}
      opacity={opacity}
      summary={
        most < LEAST_DROP
          ? `hiding any one part leaves the probability of ${label} as it is (${percent(probability)}, ${UNMIRRORED}).`
          : `hiding the brightest part lowers the probability of ${label} from ${percent(probability)} to ${percent(probability - most)} (${UNMIRRORED}).`
      }
      reading={(value) => `${value} is left of ${percent(probability)} when the framed part is hidden.`}
    />
  );
}

function points(share: number): string {
  return (100 * share).toFixed(1);
}

/** Where the maps of the last convolution speak for the class (Selvaraju et al., 2017). */
function Gradients({ picture, map, opacity }: MapProps) {
  const { label } = map.class;
  const most = Math.max(...map.map);
  const levels = map.map.map((value) => (most > 0 ? value / most : 0));
  return (
    <MapView
      picture={picture}
      grid={map}
      title={`Grad-CAM of ${label}`}
      legend={{ title: `Evidence for ${label}`, from: 'none', to: 'most' }}
      levels={levels}
      values={levels.map((level) => percent(level, 0))}
      opacity={opacity}
      summary={
        most > 0
          ? `the brighter, the more the last convolution’s maps there raise the score of ${label}.`
          : `nothing in the last convolution’s maps raises the score of ${label}.`
      }
      reading={(value) => `${value} of the strongest evidence.`}
    />
  );
}
