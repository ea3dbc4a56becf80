/** Converts activations and filters to bytes of images. */
import type { Shape4 } from '../../core/shape.ts';
import type { ActivationsResponse } from '../contract/activation-schemas.ts';

type ChannelStatistics = 'minimum' | 'maximum' | 'channelIndices' | 'channelMaximum' | 'mean';

export interface ChannelMaps extends Pick<ActivationsResponse, ChannelStatistics> {
  /** `[channelIndices, H, W]`: 0–255 represent 0 to the channel's maximum; negative values are 0. */
  readonly maps: Uint8Array;
}

/**
 * The `count` channels with the largest maxima, the largest first.
 * @param values `[C, H, W]`
 */
export function channelMaps(
  values: Float32Array,
  [, channels, height, width]: Shape4,
  count: number,
): ChannelMaps {
  const area = height * width;
  const facts = Array.from({ length: channels }, (_, channel) =>
    factsOf(values.subarray(channel * area, (channel + 1) * area), channel),
  );
  const shown = [...facts].sort((a, b) => b.maximum - a.maximum || a.channel - b.channel).slice(0, count);
  const maps = new Uint8Array(shown.length * area);
  for (const [i, { channel, maximum }] of shown.entries()) {
    if (maximum <= 0) continue;
    for (let position = 0; position < area; position++) {
      const value = values[channel * area + position]!;
      maps[i * area + position] = Math.round((255 * Math.max(0, value)) / maximum);
    }
  }
  return {
    minimum: facts.reduce((least, { minimum }) => Math.min(least, minimum), Number.POSITIVE_INFINITY),
    maximum: facts.reduce((most, { maximum }) => Math.max(most, maximum), Number.NEGATIVE_INFINITY),
    channelIndices: shown.map(({ channel }) => channel),
    channelMaximum: shown.map(({ maximum }) => maximum),
    mean: shown.map(({ mean }) => mean),
    maps,
  };
}

function factsOf(map: Float32Array, channel: number) {
  let [minimum, maximum, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const value of map) {
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
    sum += value;
  }
  return { channel, minimum, maximum, mean: sum / map.length };
}

/**
 * Filters as RGB images, each scaled to its own range of values.
 * @param weights `[out, 3, k, k]`
 * @returns `[out, k, k, 3]`
 */
export function filterPixels(weights: Float32Array, kernel: number): Uint8Array {
  const area = kernel ** 2;
  const pixels = new Uint8Array(weights.length);
  for (let from = 0; from < weights.length; from += 3 * area) {
    const filter = weights.subarray(from, from + 3 * area);
    const least = filter.reduce((a, b) => Math.min(a, b));
    const range = filter.reduce((a, b) => Math.max(a, b)) - least || 1;
    for (let i = 0; i < 3 * area; i++) {
      const [channel, position] = [Math.floor(i / area), i % area];
      pixels[from + 3 * position + channel] = Math.round((255 * (filter[i]! - least)) / range);
    }
  }
  return pixels;
}
