import { useLayoutEffect, useRef } from 'preact/hooks';

interface CanvasProps {
  /** Description of the image for screen readers. */
  readonly label: string;
  /** In canvas pixels; the style sheet sets the displayed size. */
  readonly width: number;
  readonly height: number;
  readonly draw: (context: CanvasRenderingContext2D) => void;
  /** All values that `draw` depends on. */
  readonly inputs: readonly unknown[];
  readonly class?: string;
}

export function Canvas({ label, width, height, draw, inputs, class: name }: CanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current!.getContext('2d')!;
    context.clearRect(0, 0, width, height);
    draw(context);
  }, [width, height, ...inputs]);
  return <canvas ref={canvas} role="img" aria-label={label} width={width} height={height} class={name} />;
}
