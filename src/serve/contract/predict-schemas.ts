/** `POST /v1/predict`: one image as the body, or several as files of multipart/form-data, which share batches. */
import { z } from 'zod';
import { boxSchema, protocolSchema, query, rankedClassSchema } from './common-schemas.ts';

export const predictQuery = z.object({
  model: query.model.describe('name of a model (default: the first model); all: the mean of all models'),
  protocol: protocolSchema
    .optional()
    .describe('default: dense; for published weights as their makers test them, unless `scales` is given'),
  scales: query.scales,
  top: query.top,
});

export const predictResponse = z.object({
  models: z.array(z.string()).describe('the models used; several are averaged'),
  protocol: protocolSchema,
  scales: z.array(z.int()).describe('test scales Q in pixels that any of the models used'),
  images: z.array(
    z.object({
      name: z.string().describe('file name in the form, or `image`'),
      width: z.int().describe('in pixels, as displayed (after applying the EXIF orientation)'),
      height: z.int(),
      top: z
        .array(
          rankedClassSchema.extend({
            box: boxSchema.optional().describe('only from servers with a localization model'),
          }),
        )
        .describe('best first'),
      milliseconds: z
        .number()
        .describe('time from the complete request to the prediction, including the wait in the queue'),
    }),
  ),
});
export type PredictResponse = z.output<typeof predictResponse>;

/** `POST /v1/familiarity`: whether an image is like those that the model was validated on. */
export const familiarityQuery = z.object({ model: query.model });

export const familiarityResponse = z.object({
  compared: z
    .int()
    .describe(
      'number of validation images that the image was compared with; 0: they are not at hand or too few, and nothing is known',
    ),
  unlike: z.boolean().describe('whether the distance is above 1'),
  distance: z
    .number()
    .optional()
    .describe(
      'distance to the nearest of them, as a multiple of the distance that 98 % of them keep to their own nearest neighbor; of features in two layers (the fourth pooling and the last hidden layer) the larger one',
    ),
  nearest: z.string().optional().describe('class of the nearest of them'),
});
export type FamiliarityResponse = z.output<typeof familiarityResponse>;
