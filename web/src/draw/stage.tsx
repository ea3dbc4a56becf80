import type { ComponentChildren } from 'preact';
import type { Picture } from '../state/user-files.ts';
import { Canvas } from '../ui/canvas.tsx';

const LONGER_SIDE = 1024;
/** Smaller images are shown without smoothing, which would invent detail. */
const SMOOTH_FROM = 160;

interface StageProps {
  readonly picture: Picture;
  readonly label: string;
  /** Draws over the picture; the context's units are the canvas's pixels. */
  readonly overlay?: (context: CanvasRenderingContext2D, width: number, height: number) => void;
  readonly inputs?: readonly unknown[];
  /** Elements on top of the picture, positioned in its box. */
  readonly children?: ComponentChildren;
  /** The pointer's position in fractions of width and height; undefined when it has left. */
  readonly onPoint?: (at: { x: number; y: number } | undefined) => void;
}

/** The chosen picture with an overlay. */
export function Stage({ picture, label, overlay, inputs = [], children, onPoint }: StageProps) {
  const { pixels } = picture;
  const factor = LONGER_SIDE / Math.max(pixels.width, pixels.height);
  const width = Math.max(1, Math.round(pixels.width * factor));
  const height = Math.max(1, Math.round(pixels.height * factor));
  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    onPoint?.({ x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height });
  };
  return (
    <div
      class="stage"
      style={{ '--ratio': width / height }}
      onPointerMove={point}
      onPointerLeave={() => onPoint?.(undefined)}
    >
      <Canvas
        label={label}
        width={width}
        height={height}
        inputs={[picture.id, ...inputs]}
        draw={(context) => {
          context.imageSmoothingEnabled = Math.max(pixels.width, pixels.height) >= SMOOTH_FROM;
          context.imageSmoothingQuality = 'high';
          context.drawImage(pixels, 0, 0, width, height);
          overlay?.(context, width, height);
        }}
      />
      {children}
    </div>
  );
}

interface FrameProps {
  /** Size of the rescaled image, in whose pixels the frames are given. */
  readonly within: { readonly width: number; readonly height: number };
  readonly frames: readonly {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly strong: boolean;
  }[];
}

/** Draws rectangles over the picture. */
export function Frames({ within, frames }: FrameProps) {
  return (
    <svg
      class="frames"
      viewBox={`0 0 ${within.width} ${within.height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {frames.map(({ strong, ...frame }) => (
        <g key={`${frame.x},${frame.y},${strong}`} class={strong ? 'strong' : 'faint'}>
          <rect {...frame} class="halo" />
          <rect {...frame} class="line" />
        </g>
      ))}
    </svg>
  );
}
