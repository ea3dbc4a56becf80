/**
 * 2×2 max pooling with stride 2 (section 2.1):
 *
 *     y[n, c, v, u] = max of x[n, c, 2v … 2v + 1, 2u … 2u + 1]
 *
 * with x `[N, C, H, W]` and y `[N, C, H', W']`, H' = ⌊H / 2⌋ or ⌈H / 2⌉ by the layer's rounding. Windows
 * are cut off at the edge of the map. Of equal values, the first in row-major order is the maximum and receives the
 * gradient.
 */
import { type MaxPoolLayer, outputShape } from '../../core/layer.ts';
import { elementCount, type Shape4 } from '../../core/shape.ts';

/** @returns y */
export function maxPoolForward(layer: MaxPoolLayer, inputShape: Shape4, input: Float32Array): Float32Array {
  return Float32Array.from(maximumPlaces(layer, inputShape, input), (place) => input[place]!);
}

/** Passes each ∂L/∂y to the maximum of its window. @returns ∂L/∂x, `[N, C, H, W]` */
export function maxPoolBackward(
  layer: MaxPoolLayer,
  inputShape: Shape4,
  input: Float32Array,
  outputGradient: Float32Array,
): Float32Array {
  const inputGradient = new Float32Array(input.length);
  maximumPlaces(layer, inputShape, input).forEach((place, i) => {
    inputGradient[place] = outputGradient[i]!;
  });
  return inputGradient;
}

/** For each output value, the index in `input` of the first maximum of its window. */
function maximumPlaces(layer: MaxPoolLayer, inputShape: Shape4, input: Float32Array): Uint32Array {
  const [images, channels, height, width] = inputShape;
  const shape = outputShape(layer, inputShape);
  const places = new Uint32Array(elementCount(shape));
  let next = 0;
  for (let plane = 0; plane < images * channels; plane++) {
    for (let v = 0; v < shape[2]; v++) {
      for (let u = 0; u < shape[3]; u++) {
        const corner = (plane * height + 2 * v) * width + 2 * u;
        let best = corner;
        for (let row = 0; row < Math.min(2, height - 2 * v); row++) {
          for (let column = 0; column < Math.min(2, width - 2 * u); column++) {
            const place = corner + row * width + column;
            if (isAbove(input[place]!, input[best]!)) best = place;
          }
        }
        places[next++] = best;
      }
    }
  }
  return places;
}

/** Treats NaN as larger than every number, so that a diverging run shows it. */
function isAbove(a: number, b: number): boolean {
  return a > b || (Number.isNaN(a) && !Number.isNaN(b));
}
