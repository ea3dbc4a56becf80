/**
 * The preprocessing that a network expects. Inside verydeep there is one convention: RGB, 0–255, minus the mean. Any
 * other that is linear in the pixels folds into conv1_1:
 *
 *   (scale · x − mean) / std = (scale / std) · (x − mean / scale)
 *
 * so the weights of each input channel are multiplied by scale / std and the mean becomes mean / scale. This holds at
 * the borders too: in both forms the padding is zero after the mean is subtracted. Swapped channels (BGR) become
 * swapped weights.
 */
import type { Rgb } from '../../core/shape.ts';

export type ChannelOrder = 'rgb' | 'bgr';

/** The network takes (scale · x − mean) / std, where x is a pixel value from 0 to 255. */
export interface Preprocessing {
  readonly channelOrder: ChannelOrder;
  readonly scale: number;
  /** Mean after scaling. */
  readonly mean: Rgb;
  readonly std: Rgb;
}

export const conventionNames = ['torchvision', 'caffe', 'keras', 'native'] as const;
export type ConventionName = (typeof conventionNames)[number];

/** The authors' mean, which Caffe's and Keras's weights expect. */
const AUTHORS_MEAN: Rgb = [123.68, 116.779, 103.939];
const ONES: Rgb = [1, 1, 1];

/** The conventions of well-known weights, from their documentation. */
export const conventions: Readonly<Record<Exclude<ConventionName, 'native'>, Preprocessing>> = {
  // https://pytorch.org/vision/stable/models.html: pixels 0–1, ImageNet's mean and standard deviation
  torchvision: {
    channelOrder: 'rgb',
    scale: 1 / 255,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
  // The authors' VGG_ILSVRC_16_layers and VGG_ILSVRC_19_layers: BGR, 0–255
  caffe: { channelOrder: 'bgr', scale: 1, mean: AUTHORS_MEAN, std: ONES },
  // keras.applications.vgg16.preprocess_input, mode "caffe"
  keras: { channelOrder: 'bgr', scale: 1, mean: AUTHORS_MEAN, std: ONES },
};

/** verydeep's own convention: RGB, 0–255, minus a mean. */
export function nativePreprocessing(mean: Rgb): Preprocessing {
  return { channelOrder: 'rgb', scale: 1, mean, std: ONES };
}

/** The mean on the scale of 0–255 pixels. */
export function meanRgbOf({ mean, scale }: Preprocessing): [red: number, green: number, blue: number] {
  // Rounded to the digits that are exact in float64, so that 0.485 · 255 is 123.675.
  const rounded = (value: number) => Number((value / scale).toPrecision(12));
  return [rounded(mean[0]), rounded(mean[1]), rounded(mean[2])];
}

/** Factors for conv1_1's weights: red, green, blue. */
function channelFactors({ scale, std }: Preprocessing): Rgb {
  return [scale / std[0], scale / std[1], scale / std[2]];
}

export function isNative(preprocessing: Preprocessing): boolean {
  return (
    preprocessing.channelOrder === 'rgb' && channelFactors(preprocessing).every((factor) => factor === 1)
  );
}

/**
 * The preprocessing of a network that itself takes steps with the pixels that it is given.
 * @param given what happens to a pixel before the network's own steps
 * @throws RangeError when a step multiplies by 0 or less, or has neither one nor three values
 */
export function withPixelSteps(
  given: Preprocessing,
  steps: readonly ({ factor: readonly number[]; offset: readonly number[] } | 'reverse channels')[],
): Preprocessing {
  // In the order in which the network's input has its channels.
  const inOrder = ([red, green, blue]: Rgb): number[] =>
    given.channelOrder === 'rgb' ? [red, green, blue] : [blue, green, red];
  const [factor, offset] = [
    [1, 1, 1],
    [0, 0, 0],
  ];
  let reversed = false;
  for (const step of steps) {
    if (step === 'reverse channels') {
      reversed = !reversed;
      continue;
    }
    for (let c = 0; c < 3; c++) {
      const at = reversed ? 2 - c : c;
      const by = valueFor(step.factor, c);
      factor[at]! *= by;
      offset[at] = offset[at]! * by + valueFor(step.offset, c);
    }
  }
  if (!factor.every((value) => value > 0)) throw new RangeError('a factor on the pixels is not above 0');
  const std = inOrder(given.std).map((value, c) => value / factor[c]!);
  const mean = inOrder(given.mean).map((value, c) => value - offset[c]! * std[c]!);
  const rgb = (values: number[]) => inOrder(values as unknown as Rgb) as unknown as Rgb;
  const swapped = given.channelOrder === 'rgb' ? 'bgr' : 'rgb';
  return {
    channelOrder: reversed ? swapped : given.channelOrder,
    scale: given.scale,
    mean: rgb(mean),
    std: rgb(std),
  };
}

function valueFor(values: readonly number[], channel: number): number {
  const value = values.length === 1 ? values[0] : values[channel];
  if (value === undefined || values.length > 3) {
    throw new RangeError(`pixels are changed by ${values.length} values instead of one or three`);
  }
  return value;
}

/** Human-readable: `RGB, (x / 255 − (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)`. */
export function describePreprocessing({ channelOrder, scale, mean, std }: Preprocessing): string {
  const inverse = 1 / scale;
  const pixel = scale === 1 ? 'x' : Number.isInteger(inverse) ? `x / ${inverse}` : `${scale} · x`;
  // In the network's channel order, as the other frameworks write it.
  const triple = (values: Rgb) => {
    const texts = values.map((value) => String(Number(value.toPrecision(7))));
    return `(${(channelOrder === 'rgb' ? texts : texts.reverse()).join(', ')})`;
  };
  const difference = `${pixel} − ${triple(mean)}`;
  const order = channelOrder.toUpperCase();
  return std.every((value) => value === 1)
    ? `${order}, ${difference}`
    : `${order}, (${difference}) / ${triple(std)}`;
}

/** Converts conv1_1's weights `[out, 3, k, k]` between BGR and RGB, in place. */
export function swapRedAndBlue(weight: Float32Array, outputs: number): void {
  const area = weight.length / outputs / 3;
  for (let o = 0; o < outputs; o++) {
    const red = weight.subarray(o * 3 * area, (o * 3 + 1) * area);
    const blue = weight.subarray((o * 3 + 2) * area, (o * 3 + 3) * area);
    const kept = red.slice();
    red.set(blue);
    blue.set(kept);
  }
}

/**
 * Multiplies conv1_1's weights `[out, 3, k, k]` for RGB in place, or divides them.
 * @returns whether anything changed
 */
export function multiplyChannels(
  weight: Float32Array,
  outputs: number,
  preprocessing: Preprocessing,
  direction: 'multiply' | 'divide',
): boolean {
  const factors = channelFactors(preprocessing);
  if (factors.every((factor) => factor === 1)) return false;
  const area = weight.length / outputs / 3;
  for (let i = 0; i < weight.length; i++) {
    const factor = factors[Math.floor(i / area) % 3]!;
    weight[i] = direction === 'multiply' ? weight[i]! * factor : weight[i]! / factor;
  }
  return true;
}
