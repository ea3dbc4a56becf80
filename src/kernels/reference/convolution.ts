/**
 * Convolution as the networks use it (section 2.1): a cross-correlation with stride 1, zero padding, a bias.
 *
 *     y[n, o, v, u] = bias[o] + Σ_{c, i, j} weight[o, c, i, j] · x[n, c, v + i − padding, u + j − padding]
 *
 * with x `[N, C, H, W]`, weight `[O, C, k, k]`, y `[N, O, H', W']`, and zeros outside the map. The fully
 * connected layers are the case padding 0 (section 3.2: fc6 has the kernel of the whole map, fc7 and fc8 1×1).
 */
import { type ConvolutionLayer, outputShape } from '../../core/layer.ts';
import { elementCount, type Shape4 } from '../../core/shape.ts';

/**
 * One position (i, j) in the kernel: where it reads the input for output (0, 0), and the outputs
 * [top, bottom) × [left, right) for which it reads inside the map.
 */
interface Tap {
  readonly index: number;
  readonly down: number;
  readonly across: number;
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

function tapsOf({ kernel, padding }: ConvolutionLayer, input: Shape4, output: Shape4): Tap[] {
  return Array.from({ length: kernel * kernel }, (_, index) => {
    const down = Math.floor(index / kernel) - padding;
    const across = (index % kernel) - padding;
    const [top, bottom] = reach(down, input[2], output[2]);
    const [left, right] = reach(across, input[3], output[3]);
    return { index, down, across, top, bottom, left, right };
  });
}

/** The range [from, to) of outputs along one axis whose input at distance `shift` is inside the map. */
function reach(shift: number, inputExtent: number, outputExtent: number): [number, number] {
  return [Math.max(0, -shift), Math.min(outputExtent, inputExtent - shift)];
}

/** @returns y */
export function convolutionForward(
  layer: ConvolutionLayer,
  inputShape: Shape4,
  input: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
): Float32Array {
  const [images, channels, height, width] = inputShape;
  const shape = outputShape(layer, inputShape);
  const [, outChannels, outHeight, outWidth] = shape;
  const taps = tapsOf(layer, inputShape, shape);
  const output = new Float32Array(elementCount(shape));
  const sums = new Float64Array(outHeight * outWidth);
  for (let n = 0; n < images; n++) {
    for (let o = 0; o < outChannels; o++) {
      sums.fill(bias[o]!);
      for (let c = 0; c < channels; c++) {
        const plane = (n * channels + c) * height * width;
        for (const tap of taps) {
          const w = weight[(o * channels + c) * taps.length + tap.index]!;
          for (let v = tap.top; v < tap.bottom; v++) {
            const row = plane + (v + tap.down) * width + tap.across;
            for (let u = tap.left; u < tap.right; u++) sums[v * outWidth + u]! += w * input[row + u]!;
          }
        }
      }
      output.set(sums, (n * outChannels + o) * sums.length);
    }
  }
  return output;
}

/**
 * ∂L/∂x[n, c, v + i − padding, u + j − padding] = Σ_{o, i, j} weight[o, c, i, j] · ∂L/∂y[n, o, v, u]
 * @returns `[N, C, H, W]`
 */
export function convolutionBackwardInput(
  layer: ConvolutionLayer,
  inputShape: Shape4,
  weight: Float32Array,
  outputGradient: Float32Array,
): Float32Array {
  const [images, channels, height, width] = inputShape;
  const shape = outputShape(layer, inputShape);
  const [, outChannels, outHeight, outWidth] = shape;
  const taps = tapsOf(layer, inputShape, shape);
  const inputGradient = new Float32Array(elementCount(inputShape));
  const sums = new Float64Array(height * width);
  for (let n = 0; n < images; n++) {
    for (let c = 0; c < channels; c++) {
      sums.fill(0);
      for (let o = 0; o < outChannels; o++) {
        const plane = (n * outChannels + o) * outHeight * outWidth;
        for (const tap of taps) {
          const w = weight[(o * channels + c) * taps.length + tap.index]!;
          for (let v = tap.top; v < tap.bottom; v++) {
            const row = (v + tap.down) * width + tap.across;
            for (let u = tap.left; u < tap.right; u++) {
              sums[row + u]! += w * outputGradient[plane + v * outWidth + u]!;
            }
          }
        }
      }
      inputGradient.set(sums, (n * channels + c) * sums.length);
    }
  }
  return inputGradient;
}

/**
 * Adds to the weight's gradient, `[O, C, k, k]`:
 * ∂L/∂weight[o, c, i, j] = Σ_{n, v, u} ∂L/∂y[n, o, v, u] · x[n, c, v + i − padding, u + j − padding]
 */
export function convolutionBackwardWeight(
  layer: ConvolutionLayer,
  inputShape: Shape4,
  input: Float32Array,
  outputGradient: Float32Array,
  weightGradient: Float32Array,
): void {
  const [images, channels, height, width] = inputShape;
  const shape = outputShape(layer, inputShape);
  const [, outChannels, outHeight, outWidth] = shape;
  const taps = tapsOf(layer, inputShape, shape);
  for (let o = 0; o < outChannels; o++) {
    for (let c = 0; c < channels; c++) {
      for (const tap of taps) {
        let sum = 0;
        for (let n = 0; n < images; n++) {
          const plane = (n * channels + c) * height * width;
          const gradientPlane = (n * outChannels + o) * outHeight * outWidth;
          for (let v = tap.top; v < tap.bottom; v++) {
            const row = plane + (v + tap.down) * width + tap.across;
            const gradientRow = gradientPlane + v * outWidth;
            for (let u = tap.left; u < tap.right; u++) {
              sum += outputGradient[gradientRow + u]! * input[row + u]!;
            }
          }
        }
        weightGradient[(o * channels + c) * taps.length + tap.index]! += sum;
      }
    }
  }
}

/** Adds to the bias's gradient, `[O]`: ∂L/∂bias[o] = Σ_{n, v, u} ∂L/∂y[n, o, v, u] */
export function convolutionBackwardBias(
  [images, outChannels, outHeight, outWidth]: Shape4,
  outputGradient: Float32Array,
  biasGradient: Float32Array,
): void {
  const area = outHeight * outWidth;
  for (let o = 0; o < outChannels; o++) {
    let sum = 0;
    for (let n = 0; n < images; n++) {
      const plane = (n * outChannels + o) * area;
      for (let i = 0; i < area; i++) sum += outputGradient[plane + i]!;
    }
    biasGradient[o]! += sum;
  }
}
