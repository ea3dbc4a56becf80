/** `POST /v1/activations` and `POST /v1/features`: a layer's activations, as images and as numbers. */
import { z } from 'zod';
import { query } from './common-schemas.ts';

const view = z
  .enum(['center', 'whole'])
  .default('center')
  .describe('center: the center crop; whole: the whole image, which gives larger maps');

export const activationsQuery = z.object({
  model: query.model,
  layer: query.layer,
  scale: query.scale,
  view,
  channels: query.wholeNumberOr(
    64,
    1,
    4096,
    'maximum number of maps; those with the largest maxima come first',
  ),
});
export type ActivationsQuery = z.output<typeof activationsQuery>;

export const activationsResponse = z.object({
  layer: z.string(),
  shape: z.tuple([z.int(), z.int(), z.int()]).describe('[channels, height, width] of the layer'),
  minimum: z.number(),
  maximum: z.number(),
  mean: z.array(z.number()).describe('mean of each channel, in the order of channelIndices'),
  channelIndices: z.array(z.int()).describe('channels in `maps`, the largest maximum first'),
  channelMaximum: z.array(z.number()).describe('maximum of each channel, in the order of channelIndices'),
  maps: z
    .base64()
    .describe(
      "base64 of [channelIndices, height, width] bytes: 0–255 represent 0 to the channel's maximum; negative values are 0",
    ),
});
export type ActivationsResponse = z.output<typeof activationsResponse>;

export const featuresQuery = z.object({
  model: query.model,
  layer: query.layer.default('fc7'),
  scale: query.scale,
  view,
  pool: z.enum(['none', 'mean', 'max']).default('none').describe('pooling over the positions of a map'),
  as: z.enum(['json', 'npy']).default('json').describe('response format; npy: NumPy array file'),
});

export const featuresResponse = z.object({
  layer: z.string(),
  images: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.int()).describe('[channels, height, width], or [channels] for one position'),
      values: z.array(z.number()),
    }),
  ),
});
