import { Canvas } from '../ui/canvas.tsx';
import { type ColourMap, coloured } from './colors.ts';

interface LegendProps {
  readonly colours: ColourMap;
  readonly title: string;
  /** What stands at the ends. */
  readonly from: string;
  readonly to: string;
}

const RAMP = Float32Array.from({ length: 256 }, (_, i) => i / 255);

/** What the colours mean. */
export function Legend({ colours, title, from, to }: LegendProps) {
  return (
    <div class="legend">
      <span class="legend-title">{title}</span>
      <span class="scale">
        {from}
        <Canvas
          label={`Colours from ${from} (dark) to ${to} (bright)`}
          width={256}
          height={1}
          inputs={[colours]}
          draw={(context) => context.putImageData(coloured(RAMP, 256, 1, colours), 0, 0)}
        />
        {to}
      </span>
    </div>
  );
}
