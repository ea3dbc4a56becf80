/**
 * What a network was made to see. Inside verydeep there is one convention: RGB, 0–255, minus the mean. Any
 * other that is linear in the pixels folds into conv1_1:
 *
 *   (scale · x − mean) / std = (scale / std) · (x − mean / scale)
 *
 * so the weights of each input channel are multiplied by scale / std and the mean becomes mean / scale. This
 * holds at the borders too: what is padded is the zero after the mean was subtracted, in both forms. Swapped
 * channels (BGR) are swapped weights.
 */
import type { Rgb } from '../../core/shape.ts';

export type ChannelOrder = 'rgb' | 'bgr';

/** The network takes (scale · x − mean) / std, x a pixel value from 0 to 255. */
export interface Preprocessing {
  readonly channelOrder: ChannelOrder;
  readonly scale: number;
  /** After scaling. */
  readonly mean: Rgb;
  readonly std: Rgb;
}

export const conventionNames = ['torchvision', 'caffe', 'keras', 'native'] as const;
export type ConventionName = (typeof conventionNames)[number];

/** The authors' mean, which Caffe's and Keras's weights are for. */
const AUTHORS_MEAN: Rgb = [123.68, 116.779, 103.939];
const ONES: Rgb = [1, 1, 1];

/** The conventions that are facts of well-known weights: as their documentation states them. */
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

/** RGB, 0–255, minus a mean: verydeep's own. */
export function nativePreprocessing(mean: Rgb): Preprocessing {
  return { channelOrder: 'rgb', scale: 1, mean, std: ONES };
}

/** The mean of 0–255 pixels. */
export function meanRgbOf({ mean, scale }: Preprocessing): [red: number, green: number, blue: number] {
  // Rounded to what a float64 division can be trusted with, so that 0.485 · 255 is 123.675.
  const rounded = (value: number) => Number((value / scale).toPrecision(12));
  return [rounded(mean[0]), rounded(mean[1]), rounded(mean[2])];
}

/** What conv1_1's weights are multiplied by, channel by channel: red, green, blue. */
export function channelFactors({ scale, std }: Preprocessing): Rgb {
  return [scale / std[0], scale / std[1], scale / std[2]];
}

export function isNative(preprocessing: Preprocessing): boolean {
  return (
    preprocessing.channelOrder === 'rgb' && channelFactors(preprocessing).every((factor) => factor === 1)
  );
}

/** For people: `RGB, (x / 255 − (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)`. */
export function describePreprocessing({ channelOrder, scale, mean, std }: Preprocessing): string {
  const inverse = 1 / scale;
  const pixel = scale === 1 ? 'x' : Number.isInteger(inverse) ? `x / ${inverse}` : `${scale} · x`;
  // In the order that the network takes the channels in, which is how the other frameworks write it.
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
