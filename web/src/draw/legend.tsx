import { Canvas } from '../ui/canvas.tsx';
import { type ColorMap, colorImage } from './colors.ts';

interface LegendProps {
  readonly colors: ColorMap;
  readonly title: string;
  /** Labels at the two ends. */
  readonly from: string;
  readonly to: string;
}

const RAMP = Float32Array.from({ length: 256 }, (_, i) => i / 255);

/** A color scale with its title and range. */
export function Legend({ colors, title, from, to }: LegendProps) {
  return (
    <div class="legend">
      <span class="legend-title">{title}</span>
      <span class="scale">
        {from}
        <Canvas
          label={`Color scale from ${from} (dark) to ${to} (bright)`}
          width={256}
          height={1}
          inputs={[colors]}
          draw={(context) => context.putImageData(colorImage(RAMP, 256, 1, colors), 0, 0)}
        />
        {to}
      </span>
    </div>
  );
}
