/** What a layer makes of one image: `POST /v1/activations` to look at, `POST /v1/features` to compute with. */
import { z } from 'zod';
import { query } from './common.ts';

const view = z
  .enum(['center', 'whole'])
  .default('center')
  .describe('center: the centre crop; whole: all of the image, which gives a larger map');

export const activationsQuery = z.object({
  model: query.model,
  layer: query.layer,
  scale: query.scale,
  view,
  channels: query.wholeNumberOr(64, 1, 4096, 'maps that are given, those of the largest maxima first'),
});
export type ActivationsQuery = z.output<typeof activationsQuery>;

export const activationsResponse = z.object({
  layer: z.string(),
  shape: z.tuple([z.int(), z.int(), z.int()]).describe('[channels, height, width] of the whole layer'),
  minimum: z.number(),
  maximum: z.number(),
  mean: z.array(z.number()).describe("each channel's, in the order of channelIndices"),
  channelIndices: z.array(z.int()).describe('channels whose maps are given, the largest maximum first'),
  channelMaximum: z.array(z.number()).describe('in the order of channelIndices'),
  maps: z
    .base64()
    .describe(
      "[channelIndices, height, width] bytes: 0–255 is 0 to the channel's maximum; values below 0 are 0",
    ),
});
export type ActivationsResponse = z.output<typeof activationsResponse>;

export const featuresQuery = z.object({
  model: query.model,
  layer: query.layer.default('fc7'),
  scale: query.scale,
  view,
  pool: z.enum(['none', 'mean', 'max']).default('none').describe("over the map's positions"),
  as: z.enum(['json', 'npy']).default('json').describe("npy: NumPy's array file"),
});
export type FeaturesQuery = z.output<typeof featuresQuery>;

export const featuresResponse = z.object({
  layer: z.string(),
  images: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.int()).describe('[channels, height, width], or [channels] of one position'),
      values: z.array(z.number()),
    }),
  ),
});
export type FeaturesResponse = z.output<typeof featuresResponse>;
