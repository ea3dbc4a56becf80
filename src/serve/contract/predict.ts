/**
 * `POST /v1/predict`: one image as the body, or several as the parts of multipart/form-data. A request's images
 * share its batches.
 */
import { z } from 'zod';
import { protocolSchema, query, rankedClassSchema } from './common.ts';

export const predictQuery = z.object({
  model: query.model.describe('name of a model (default: the first); all: the mean of all models'),
  protocol: protocolSchema.default('dense'),
  scales: query.scales,
  top: query.top,
});
export type PredictQuery = z.output<typeof predictQuery>;

export const predictResponse = z.object({
  models: z.array(z.string()).describe('who judged; of several, the mean is told'),
  protocol: protocolSchema,
  scales: z.array(z.int()).describe('smaller sides Q; with several models each one that any of them used'),
  images: z.array(
    z.object({
      name: z.string().describe("the part's file name, or `image`"),
      width: z.int().describe('as displayed, after its EXIF orientation'),
      height: z.int(),
      top: z.array(rankedClassSchema).describe('best first'),
      milliseconds: z.number().describe('from the whole request to the answer, waiting included'),
    }),
  ),
});
export type PredictResponse = z.output<typeof predictResponse>;
