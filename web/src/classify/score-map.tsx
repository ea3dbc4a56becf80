import { useState } from 'preact/hooks';
import { useRequest } from '../api/use-request.ts';
import { Stage } from '../draw/stage.tsx';
import { Choice } from '../ui/choice.tsx';
import { percent } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { ClassChoice } from './class-choice.tsx';
import type { OverlayProps } from './inference.ts';
import { OPACITY, Opacity, ScaleChoice } from './map-controls.tsx';
import { MapView } from './map-view.tsx';

const SCORE_RANGES = [
  ['own', '0 to maximum'],
  ['all', '0 to 100 %'],
] as const;

/** Overlays the picture with the probability of one class at each position of the network (paper, 3.2). */
export function ScoreMap({ model, limits, inference, picture, top }: OverlayProps) {
  const [scale, setScale] = useState(model.defaultScale);
  const [chosen, setChosen] = useState<number>(); // undefined: the class of the verdict
  const [range, setRange] = useState<(typeof SCORE_RANGES)[number][0]>('own');
  const [opacity, setOpacity] = useState(OPACITY);
  const index = chosen ?? top[0]!.index;
  const answer = useRequest(`${picture.id} ${inference.id} ${scale} ${index}`, (signal) =>
    inference.scoreMap(picture, { scale, class: index }, signal),
  );
  return (
    <>
      {answer.state !== 'done' && <Stage picture={picture} label={`Image ${picture.name}`} />}
      <Answer of={answer} what="the score map">
        {({ scales: [map] }) => {
          const shown = map!.classes[0]!;
          const most = Math.max(...shown.map);
          const isOne = shown.map.length === 1;
          return (
            <MapView
              picture={picture}
              grid={{ ...map!, window: model.crop }}
              title={`Score map of ${shown.label}`}
              legend={{
                title: `Probability of ${shown.label}`,
                from: '0 %',
                to: range === 'all' ? '100 %' : percent(most),
              }}
              levels={range === 'all' ? shown.map : shown.map.map((value) => value / most)}
              values={shown.map.map((value) => percent(value))}
              opacity={opacity}
              summary={`mean ${percent(shown.probability)} (mirror image included), maximum ${percent(most)}.${isOne ? ' At this scale the network sees the image as a whole; the other views show which parts matter.' : ''}`}
              reading={(value) => `${value}. The frame marks the part of the image behind this value.`}
            />
          );
        }}
      </Answer>
      <div class="controls">
        <ClassChoice labels={model.labels} top={top} value={index} onChange={setChosen} />
        <ScaleChoice model={model} limits={limits} picture={picture} value={scale} onChange={setScale} />
        <Choice legend="Color range" options={SCORE_RANGES} value={range} onChange={setRange} />
        <Opacity value={opacity} onChange={setOpacity} />
      </div>
    </>
  );
}
