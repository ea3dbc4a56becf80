/** `POST /v1/score-map` and `POST /v1/crops`: predictions for one image, by position. */
import { z } from 'zod';
import { flag, query, rankedClassSchema, sizeSchema } from './common-schemas.ts';

const classNumber = query.wholeNumber(0, 999_999, 'class number');

export const scoreMapQuery = z.object({
  model: query.model,
  scales: query.scales,
  top: query.wholeNumberOr(5, 1, 1000, 'number of most probable classes to map, unless `class` selects some'),
  class: z
    .union([classNumber.transform((one) => [one]), z.array(classNumber).max(20)])
    .optional()
    .describe('number of a class to map; may be repeated'),
});

export const scoreMapResponse = z.object({
  image: sizeSchema,
  scales: z.array(
    z.object({
      scale: z.int().describe('smaller side Q in pixels'),
      rescaled: sizeSchema,
      rows: z.int(),
      columns: z.int(),
      left: z.int().describe("left edge of the first position's window in rescaled pixels"),
      top: z.int().describe("top edge of the first position's window in rescaled pixels"),
      effectiveStride: z.int().describe('distance between neighboring positions in rescaled pixels'),
      receptiveField: z.int().describe('side of the receptive field of a position in rescaled pixels'),
      classes: z.array(
        rankedClassSchema.extend({
          probability: z
            .number()
            .describe('by dense evaluation at this scale, averaged over the image and its mirror image'),
          map: z
            .array(z.number())
            .describe(
              'rows × columns, row by row: the soft-max at each position, averaged over the image and its mirror image (mirrored back)',
            ),
        }),
      ),
    }),
  ),
});
export type ScoreMapResponse = z.output<typeof scoreMapResponse>;

export const gradCamQuery = z.object({
  model: query.model,
  scale: query.scale,
  class: classNumber.optional().describe('number of a class (default: the most probable one)'),
});

export const occlusionQuery = gradCamQuery.extend({
  patch: query
    .wholeNumber(1, 2048, 'side of the hidden square in rescaled pixels (default: a quarter of the crop)')
    .optional(),
});

/** A map of what speaks for one class: the answer of Grad-CAM and of occlusions. */
const classMap = {
  image: sizeSchema,
  scale: z.int().describe('smaller side Q in pixels'),
  rescaled: sizeSchema,
  rows: z.int(),
  columns: z.int(),
  left: z.int().describe("left edge of the first value's square in rescaled pixels"),
  top: z.int().describe("top edge of the first value's square in rescaled pixels"),
  effectiveStride: z.int().describe('distance between neighboring squares in rescaled pixels'),
  window: z.int().describe('side of the square that a value stands for, in rescaled pixels'),
  class: rankedClassSchema.describe(
    'the class, and its probability by dense evaluation at this scale without the mirror image',
  ),
};

export const gradCamResponse = z.object({
  ...classMap,
  map: z.array(z.number()).describe('rows × columns, row by row: evidence for the class, from 0'),
});
export const occlusionResponse = z.object({
  ...classMap,
  map: z
    .array(z.number())
    .describe("rows × columns, row by row: the class's probability while the square is hidden"),
});
export type ClassMapResponse = z.output<typeof occlusionResponse>;

export const cropsQuery = z.object({
  model: query.model,
  scales: query.scales,
  flip: flag.default(true).describe('whether each crop is followed by its mirror image'),
});

export const cropsResponse = z.object({
  image: sizeSchema,
  scales: z.array(
    z.object({
      scale: z.int().describe('smaller side Q in pixels'),
      rescaled: sizeSchema,
      crop: z.int().describe('side of a crop in rescaled pixels'),
      crops: z.array(
        z.object({
          x: z.int().describe('left edge in rescaled pixels'),
          y: z.int().describe('top edge in rescaled pixels'),
          flipped: z.boolean(),
          top: z.array(rankedClassSchema).describe('the three most probable classes'),
        }),
      ),
    }),
  ),
});
export type CropsResponse = z.output<typeof cropsResponse>;
