/**
 * Adaptive pooling of maps to side × side:
 *
 *     average: y[n, c, v, u] = mean of x[n, c, y, x] over window (v, u),   ∂L/∂x = Σ ∂L/∂y / |window| over its windows
 *     max:     y[n, c] = max of x[n, c],   ∂L/∂y goes to the first maximum, row by row
 *
 * with x `[N, C, H, W]`, y `[N, C, side, side]` and the windows of `adaptiveWindows`.
 */
import { type AdaptivePoolLayer, adaptiveWindows } from '../../core/layer.ts';
import type { Shape4 } from '../../core/shape.ts';

/** @returns y */
export function adaptivePoolForward(
  { method, side }: AdaptivePoolLayer,
  inputShape: Shape4,
  input: Float32Array,
): Float32Array {
  const windows = windowsOf(inputShape, side);
  const output = new Float32Array((input.length / windows.area) * windows.places.length);
  forEachWindow(windows, output.length, (places, first, i) => {
    output[i] =
      method === 'max'
        ? input[first + largest(input, places, first)]!
        : places.reduce((sum, place) => sum + input[first + place]!, 0) / places.length;
  });
  return output;
}

/** @returns ∂L/∂x, `[N, C, H, W]` */
export function adaptivePoolBackward(
  { method, side }: AdaptivePoolLayer,
  inputShape: Shape4,
  input: Float32Array,
  outputGradient: Float32Array,
): Float32Array {
  const inputGradient = new Float64Array(input.length);
  forEachWindow(windowsOf(inputShape, side), outputGradient.length, (places, first, i) => {
    const gradient = outputGradient[i]!;
    if (method === 'max') inputGradient[first + largest(input, places, first)]! += gradient;
    else for (const place of places) inputGradient[first + place]! += gradient / places.length;
  });
  return Float32Array.from(inputGradient);
}

interface Windows {
  /** Values of a map. */
  readonly area: number;
  /** For each output value, the indices of its window in the map. */
  readonly places: readonly (readonly number[])[];
}

function windowsOf([, , height, width]: Shape4, side: number): Windows {
  const indices = ({ begin, end }: { begin: number; end: number }) =>
    Array.from({ length: end - begin }, (_, i) => begin + i);
  const columns = adaptiveWindows(width, side).map(indices);
  const places = adaptiveWindows(height, side)
    .map(indices)
    .flatMap((rows) => columns.map((across) => rows.flatMap((y) => across.map((x) => y * width + x))));
  return { area: height * width, places };
}

/** Calls `visit` with each output value's window, the index of its map's first value, and its own index. */
function forEachWindow(
  { area, places }: Windows,
  outputs: number,
  visit: (places: readonly number[], first: number, i: number) => void,
): void {
  for (let i = 0; i < outputs; i++) {
    visit(places[i % places.length]!, Math.floor(i / places.length) * area, i);
  }
}

/** The place of the first largest value. NaN is larger than every number, so that a diverging run shows it. */
function largest(input: Float32Array, places: readonly number[], first: number): number {
  return places.reduce((best, place) => {
    const [a, b] = [input[first + place]!, input[first + best]!];
    return a > b || (Number.isNaN(a) && !Number.isNaN(b)) ? place : best;
  });
}
