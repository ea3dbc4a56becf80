import { useRef, useState } from 'preact/hooks';
import type { CropsResponse } from '../../../src/serve/contract/map-schemas.ts';
import { useRequest } from '../api/use-request.ts';
import { viridis } from '../draw/colors.ts';
import { Legend } from '../draw/legend.tsx';
import { Frames, Stage } from '../draw/stage.tsx';
import type { Picture } from '../state/user-files.ts';
import { Choice } from '../ui/choice.tsx';
import { percent } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { TopClasses } from '../ui/value-bars.tsx';
import type { OverlayProps } from './inference.ts';
import { mapScales } from './scale-choices.ts';

type CropsAtScale = CropsResponse['scales'][number];

const SIDE = 5;
const CROPS = SIDE * SIDE;
const MIDDLE = 12;
const ORIENTATIONS = [
  ['original', 'original'],
  ['mirrored', 'mirrored'],
] as const;

/** Shows where each of the 5×5 crops of multi-crop evaluation is, and the prediction from it alone. */
export function CropGrid({ model, limits, inference, picture }: OverlayProps) {
  const scales = mapScales(model, limits, picture.pixels);
  const [scale, setScale] = useState(model.defaultScale);
  const [orientation, setOrientation] = useState<(typeof ORIENTATIONS)[number][0]>('original');
  const answer = useRequest(`${picture.id} ${inference.id} ${scale}`, (signal) =>
    inference.crops(picture, scale, signal),
  );
  return (
    <>
      {answer.state !== 'done' && <Stage picture={picture} label={`Image ${picture.name}`} />}
      <Answer of={answer} what="the crops">
        {({ scales: [crops] }) => (
          <Grid picture={picture} scale={crops!} mirrored={orientation === 'mirrored'} />
        )}
      </Answer>
      <div class="controls">
        <Choice
          legend="Scale (smaller side, px)"
          options={scales.map((value) => [value, String(value)] as const)}
          value={scale}
          onChange={setScale}
        />
        <Choice legend="Orientation" options={ORIENTATIONS} value={orientation} onChange={setOrientation} />
      </div>
    </>
  );
}

interface GridProps {
  readonly picture: Picture;
  readonly scale: CropsAtScale;
  readonly mirrored: boolean;
}

function Grid({ picture, scale, mirrored }: GridProps) {
  const [current, setCurrent] = useState(MIDDLE);
  const crops = scale.crops.filter(({ flipped }) => flipped === mirrored).slice(0, CROPS);
  const { crop: side, rescaled } = scale;
  const shown = crops[current]!;
  const frames = crops.map(({ x, y }, i) => ({ x, y, width: side, height: side, strong: i === current }));
  return (
    <>
      <Stage
        picture={picture}
        label={`${picture.name} with the crop at ${placeOf(current)} outlined`}
        onPoint={(at) => at && setCurrent(nearest(crops, scale, at))}
      >
        {/* The selected frame comes last, so it is above the others. */}
        <Frames within={rescaled} frames={frames.toSorted((a, b) => Number(a.strong) - Number(b.strong))} />
      </Stage>
      <div class="crop-reading">
        <CropButtons crops={crops} current={current} onCurrent={setCurrent} />
        <div class="crop-answer" aria-live="polite">
          <p>
            Crop at <strong>{placeOf(current)}</strong>
            {mirrored && ', mirrored'}
          </p>
          <TopClasses label="Most probable classes of this crop" top={shown.top} />
        </div>
      </div>
      <Legend colors={viridis} title="Probability of the crop’s top class" from="0 %" to="100 %" />
    </>
  );
}

interface CropButtonsProps {
  readonly crops: CropsAtScale['crops'];
  readonly current: number;
  readonly onCurrent: (index: number) => void;
}

/** The grid as 25 buttons. Tab reaches only the selected one; the arrow keys move between them. */
function CropButtons({ crops, current, onCurrent }: CropButtonsProps) {
  const box = useRef<HTMLFieldSetElement>(null);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    const row = Math.min(SIDE - 1, Math.max(0, Math.floor(current / SIDE) + step[0]!));
    const column = Math.min(SIDE - 1, Math.max(0, (current % SIDE) + step[1]!));
    box.current?.querySelectorAll('button')[row * SIDE + column]?.focus();
  };
  return (
    <fieldset class="crop-buttons" ref={box} onKeyDown={move}>
      <legend class="visually-hidden">Crops by position in the grid; use the arrow keys to move</legend>
      {crops.map(({ x, y, top }, i) => {
        const best = top[0]!;
        return (
          <button
            key={i}
            type="button"
            tabIndex={i === current ? 0 : -1}
            aria-pressed={i === current}
            aria-label={`${placeOf(i)}, at x ${x}, y ${y}: ${best.label} ${percent(best.probability)}`}
            title={`${best.label} ${percent(best.probability)}`}
            style={{ backgroundColor: colorOf(best.probability) }}
            onFocus={() => onCurrent(i)}
            onPointerEnter={() => onCurrent(i)}
            onClick={() => onCurrent(i)}
          />
        );
      })}
    </fieldset>
  );
}

function colorOf(probability: number): string {
  const at = 3 * Math.round(255 * probability);
  return `rgb(${viridis.slice(at, at + 3).join(' ')})`;
}

function placeOf(index: number): string {
  return `row ${Math.floor(index / SIDE) + 1}, column ${(index % SIDE) + 1}`;
}

/** The crop whose center is nearest to a point, given in fractions of the image. */
function nearest(
  crops: CropsAtScale['crops'],
  { rescaled, crop }: CropsAtScale,
  { x, y }: { readonly x: number; readonly y: number },
): number {
  const distances = crops.map((one) =>
    Math.hypot(one.x + crop / 2 - x * rescaled.width, one.y + crop / 2 - y * rescaled.height),
  );
  return distances.indexOf(Math.min(...distances));
}
