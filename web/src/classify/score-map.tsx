import { useId, useState } from 'preact/hooks';
import type { ScoreMapResponse } from '../../../src/serve/contract/map-schemas.ts';
import { type RequestState, useRequest } from '../api/use-request.ts';
import { viridis } from '../draw/colors.ts';
import { Legend } from '../draw/legend.tsx';
import { Frames, Stage } from '../draw/stage.tsx';
import type { Picture } from '../state/user-files.ts';
import { Choice } from '../ui/choice.tsx';
import { DataTable } from '../ui/data-table.tsx';
import { percent, plural } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { ClassChoice } from './class-choice.tsx';
import type { OverlayProps, ScoreMapRequest } from './inference.ts';
import { drawMap, type MapGrid, positionAt, windowOf } from './map-geometry.ts';
import { firstMapScale, mapScales } from './scale-choices.ts';

const SCORE_RANGES = [
  ['all', '0 to 100 %'],
  ['own', '0 to maximum'],
] as const;
type ScoreRange = (typeof SCORE_RANGES)[number][0];
type ClassMap = MapGrid['classes'][number];

/** Overlays the picture with the probability of one class at each position of the network (paper, 3.2). */
export function ScoreMap({ model, limits, inference, picture }: OverlayProps) {
  const scales = mapScales(model, limits, picture.pixels);
  const [scale, setScale] = useState(firstMapScale(model, scales));
  const [chosen, setChosen] = useState<number>(); // undefined: the most probable class
  const [range, setRange] = useState<ScoreRange>('all');
  const [opacity, setOpacity] = useState(0.6);
  const ask = (request: ScoreMapRequest, wanted: boolean): RequestState<ScoreMapResponse> => {
    const key = wanted ? `${picture.id} ${inference.id} ${JSON.stringify(request)}` : undefined;
    return useRequest(key, (signal) => inference.scoreMap(picture, request, signal));
  };
  // At other scales the network may prefer another class; the map keeps showing the best class at the default scale.
  const atDefault = ask({ scale: model.defaultScale }, true);
  const index = chosen ?? bestOf(atDefault)[0]?.index;
  const atScale = ask({ scale }, index !== undefined && scale !== model.defaultScale);
  const best = scale === model.defaultScale ? atDefault : atScale;
  const top = bestOf(best);
  const isOther = best.state === 'done' && index !== undefined && !top.some((one) => one.index === index);
  const other = ask({ scale, class: index ?? 0 }, isOther);
  const answer = index === undefined ? atDefault : isOther ? other : best;
  return (
    <>
      {answer.state !== 'done' && <Stage picture={picture} label={`Image ${picture.name}`} />}
      <Answer of={answer} what="the score map">
        {({ scales: [map] }) => {
          const shown = map!.classes.find((one) => one.index === index) ?? map!.classes[0]!;
          const grid = { ...map!, window: model.crop };
          return (
            <MapOverPicture picture={picture} map={grid} shown={shown} range={range} opacity={opacity} />
          );
        }}
      </Answer>
      <div class="controls">
        <ClassChoice labels={model.labels} top={top} value={index} onChange={setChosen} />
        <Choice
          legend="Scale (smaller side, px)"
          options={scales.map((value) => [value, String(value)] as const)}
          value={scale}
          onChange={setScale}
        />
        <Choice legend="Color range" options={SCORE_RANGES} value={range} onChange={setRange} />
        <Opacity value={opacity} onChange={setOpacity} />
      </div>
    </>
  );
}

function bestOf(answer: RequestState<ScoreMapResponse>): readonly ClassMap[] {
  return answer.state === 'done' ? answer.value.scales[0]!.classes : [];
}

interface MapOverPictureProps {
  readonly picture: Picture;
  readonly map: MapGrid;
  readonly shown: ClassMap;
  readonly range: ScoreRange;
  readonly opacity: number;
}

function MapOverPicture({ picture, map, shown, range, opacity }: MapOverPictureProps) {
  const [point, setPoint] = useState<{ x: number; y: number }>();
  const { rows, columns, rescaled } = map;
  const at = point && positionAt(map, point);
  const values = Array.from({ length: rows }, (_, row) =>
    shown.map.slice(row * columns, (row + 1) * columns).map((value) => percent(value)),
  );
  const most = Math.max(...shown.map);
  const levels = range === 'all' ? shown.map : shown.map.map((value) => value / most);
  return (
    <>
      <Stage
        picture={picture}
        label={`Score map of ${shown.label} over ${picture.name}: ${plural(rows, 'row')} of ${plural(columns, 'position')}, maximum ${percent(most)}`}
        inputs={[map, shown, range, opacity]}
        overlay={(context, width, height) => drawMap(context, { width, height }, map, levels, opacity)}
        onPoint={setPoint}
      >
        {at && <Frames within={rescaled} frames={[{ ...windowOf(map, at), strong: true }]} />}
      </Stage>
      <Legend
        colors={viridis}
        title={`Probability of ${shown.label}`}
        from="0 %"
        to={range === 'all' ? '100 %' : percent(most)}
      />
      <p class="reading">
        {at
          ? `Row ${at.row + 1}, column ${at.column + 1}: ${percent(shown.map[at.row * columns + at.column]!)}. The frame marks the part of the image behind this value.`
          : `${rows} × ${columns} ${rows * columns === 1 ? 'position' : 'positions'}: mean ${percent(shown.probability)} (mirror image included), maximum ${percent(most)}.${rows * columns === 1 ? ' Choose a larger scale to see where.' : ''}`}
      </p>
      <details>
        <summary>Show as table</summary>
        <DataTable
          caption={`Probability of ${shown.label} at each position`}
          columns={['', ...values[0]!.map((_, column) => `column ${column + 1}`)]}
          rows={values.map((cells, row) => [`row ${row + 1}`, ...cells])}
        />
      </details>
    </>
  );
}

function Opacity({
  value,
  onChange,
}: {
  readonly value: number;
  readonly onChange: (value: number) => void;
}) {
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
