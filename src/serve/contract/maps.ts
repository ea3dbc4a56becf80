/** What a network sees of one image: `POST /v1/score-map` and `POST /v1/crops`. */
import { z } from 'zod';
import { flag, query, rankedClassSchema, sizeSchema } from './common.ts';

const classNumber = query.wholeNumber(0, 999_999, 'number of a class');

export const scoreMapQuery = z.object({
  model: query.model,
  scales: query.scales,
  top: query.wholeNumberOr(5, 1, 1000, 'classes whose maps are given, unless `class` names some'),
  class: z
    .union([classNumber.transform((one) => [one]), z.array(classNumber).max(20)])
    .optional()
    .describe('number of a class whose map is wanted; may be repeated'),
});
export type ScoreMapQuery = z.output<typeof scoreMapQuery>;

export const scoreMapResponse = z.object({
  image: sizeSchema,
  scales: z.array(
    z.object({
      scale: z.int().describe('smaller side Q'),
      rescaled: sizeSchema,
      rows: z.int(),
      columns: z.int(),
      effectiveStride: z.int().describe('rescaled pixels between neighbouring positions'),
      receptiveField: z.int().describe('side in rescaled pixels of what a position sees'),
      classes: z.array(
        rankedClassSchema.extend({
          probability: z.number().describe('of the dense evaluation at this scale, mirror image included'),
          map: z
            .array(z.number())
            .describe(
              'rows × columns, row by row: the soft-max at each position, the mean of the image and of its mirror image (mirrored back)',
            ),
        }),
      ),
    }),
  ),
});
export type ScoreMapResponse = z.output<typeof scoreMapResponse>;

export const cropsQuery = z.object({
  model: query.model,
  scales: query.scales,
  flip: flag.default(true).describe('whether each crop is followed by its mirror image'),
});
export type CropsQuery = z.output<typeof cropsQuery>;

export const cropsResponse = z.object({
  image: sizeSchema,
  scales: z.array(
    z.object({
      scale: z.int().describe('smaller side Q'),
      rescaled: sizeSchema,
      crop: z.int().describe('side in rescaled pixels'),
      crops: z.array(
        z.object({
          x: z.int().describe('rescaled pixels from the left'),
          y: z.int().describe('rescaled pixels from the top'),
          flipped: z.boolean(),
          top: z.array(rankedClassSchema).describe('the three most probable classes'),
        }),
      ),
    }),
  ),
});
export type CropsResponse = z.output<typeof cropsResponse>;
