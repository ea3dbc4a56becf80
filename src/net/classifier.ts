/**
 * The fully connected layers, and the pooling that may precede them. The paper has none: its fc6 is a convolution over
 * the whole last map (section 3.2). Networks of other makers often pool each channel to one value first, so that their
 * classifier accepts images of any size.
 */
import type { AdaptivePoolLayer, Layer } from '../core/layer.ts';

/** Pooling of the last map to `side` × `side` before the classifier; a side of 1 is global pooling. */
export type HeadPool = Pick<AdaptivePoolLayer, 'method' | 'side'>;

/** Units of fc6 and fc7 at width 1. */
const HIDDEN_UNITS = 4096;
/** The largest number of hidden layers. */
export const MAX_HIDDEN_LAYERS = 8;

export interface Classifier {
  /** Number of classes, the units of the last layer. */
  readonly classes: number;
  /** Units of the fully connected layers before the last: the paper's fc6 and fc7. */
  readonly hidden: readonly number[];
  readonly headPool?: HeadPool;
  /** Dropout rate after each hidden layer. */
  readonly dropout: number;
}

/** Units of fc6 and fc7 in Table 1. */
export function usualHidden(width: number): number[] {
  const units = scaledChannels(HIDDEN_UNITS, width);
  return [units, units];
}

/** Channels of Table 1 at a width. */
export function scaledChannels(channels: number, width: number): number {
  return Math.max(1, Math.round(channels * width));
}

/**
 * The layers after the last max pooling, as convolutions: `fc6`, `fc7`, … in order, whatever their number, each hidden
 * one followed by a ReLU and dropout.
 * @param channels of the last map
 * @param side of the last map at the crop, which fc6 covers unless a pooling precedes it
 */
export function classifierLayers(
  { classes, hidden, headPool, dropout }: Classifier,
  channels: number,
  side: number,
): Layer[] {
  const layers: Layer[] = [];
  if (headPool) layers.push({ kind: 'adaptivePool', name: HEAD_POOL_NAME, ...headPool });
  let inChannels = channels;
  for (const [index, outChannels] of [...hidden, classes].entries()) {
    const number = FIRST_NUMBER + index;
    const kernel = index > 0 ? 1 : (headPool?.side ?? side);
    layers.push({ kind: 'convolution', name: `fc${number}`, kernel, padding: 0, inChannels, outChannels });
    if (index < hidden.length) {
      layers.push({ kind: 'relu', name: `relu${number}` });
      layers.push({ kind: 'dropout', name: `drop${number}`, rate: dropout });
    }
    inChannels = outChannels;
  }
  return layers;
}

/** Number of the first fully connected layer: five blocks precede it. */
const FIRST_NUMBER = 6;
const HEAD_POOL_NAME = 'pool6';

/** `average`, `max` or, for pooling to k×k by the mean, `average-k`; `none` without pooling. */
export function formatHeadPool(pool: HeadPool | undefined): string {
  if (!pool) return 'none';
  return pool.side === 1 ? pool.method : `${pool.method}-${pool.side}`;
}

/** What `formatHeadPool` writes. @returns null if the text is something else */
export function parseHeadPool(text: string): HeadPool | undefined | null {
  if (text === 'none') return undefined;
  if (text === 'max') return { method: 'max', side: 1 };
  const match = /^average(?:-([1-9]\d?))?$/.exec(text);
  return match ? { method: 'average', side: Number(match[1] ?? 1) } : null;
}

/** `256,128`; `none` without hidden layers. */
export function formatHidden(hidden: readonly number[]): string {
  return hidden.length === 0 ? 'none' : hidden.join(',');
}

/** What `formatHidden` writes. @returns null if the text is something else */
export function parseHidden(text: string): number[] | null {
  if (text === 'none') return [];
  const units = text.split(',').map((part) => Number(part.trim()));
  return units.every((value) => Number.isInteger(value) && value >= 1) && units.length <= MAX_HIDDEN_LAYERS
    ? units
    : null;
}
