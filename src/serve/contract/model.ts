/** `GET /v1/model`, `GET /v1/model/filters` and `GET /v1/model/weights`, which answers with a file. */
import { z } from 'zod';
import { protocolSchema, query } from './common.ts';

const layerSchema = z
  .object({
    name: z.string(),
    kind: z.enum(['convolution', 'relu', 'maxPool', 'lrn', 'dropout']),
    kernel: z.int().optional(),
    stride: z.int().optional(),
    padding: z.int().optional(),
    outputShape: z.tuple([z.int(), z.int(), z.int()]).describe('[channels, height, width] at the crop'),
    parameters: z.int(),
    multiplyAdds: z.int().describe('of one forward pass at the crop'),
    receptiveField: z.int().describe('side in pixels of what one output value sees'),
    effectiveStride: z.int().describe('pixels between the fields of neighbouring output values'),
    activations: z.boolean().describe('whether /v1/activations and /v1/features take its name'),
  })
  .meta({ id: 'Layer' });
export type LayerInfo = z.output<typeof layerSchema>;

export const modelSchema = z
  .object({
    name: z.string().describe('what the query parameter `model` takes; no path'),
    config: z.string().describe('column of Table 1'),
    width: z.number(),
    classes: z.int(),
    labels: z.array(z.string()),
    weightLayers: z.int(),
    crop: z.int().describe('side of the training crop in pixels'),
    trainedScale: z
      .object({ min: z.int(), max: z.int() })
      .optional()
      .describe('smaller side S in training, where known'),
    defaultScale: z.int().describe('Q unless another is asked for'),
    autoScales: z.array(z.int()).describe('what scales=auto means; empty where it is not known'),
    meanRgb: z.tuple([z.number(), z.number(), z.number()]),
    pooling: z.enum(['floor', 'ceil']),
    parameters: z.int(),
    multiplyAdds: z.int(),
    checksum: z.string().describe('SHA-256 of the model file'),
    license: z.string().optional(),
    layers: z.array(layerSchema),
    training: z
      .record(z.string(), z.string())
      .optional()
      .describe('provenance as the model file has it, without places on the disk'),
  })
  .meta({ id: 'Model' });
export type ModelInfo = z.output<typeof modelSchema>;

export const limitsSchema = z
  .object({
    imageBytes: z.int(),
    pixels: z.int().describe('of an image as it is sent'),
    rescaledPixels: z.int().describe('of an image at the scale that it is seen at'),
    images: z.int().describe('in one request'),
  })
  .meta({ id: 'Limits' });
export type Limits = z.output<typeof limitsSchema>;

/** `models` is empty where the server shows runs only. */
export const modelsResponse = z.object({
  models: z.array(modelSchema),
  limits: limitsSchema,
  protocols: z.array(protocolSchema),
  weights: z.boolean().describe('whether /v1/model/weights gives the models out'),
  demoImages: z
    .string()
    .optional()
    .describe('name of the data set that /v1/demo-images takes its images from'),
});
export type ModelsResponse = z.output<typeof modelsResponse>;

export const weightsQuery = z.object({ model: query.model });

export const filtersQuery = z.object({
  model: query.model,
  layer: query.layer.default('conv1_1').describe('a layer that takes 3 channels: conv1_1'),
});
export const filtersResponse = z.object({
  layer: z.string(),
  shape: z.tuple([z.int(), z.literal(3), z.int(), z.int()]).describe('[filters, 3, height, width]'),
  filters: z
    .base64()
    .describe('[filters, height, width, 3] bytes, RGB, each filter scaled to its own range, 0–255'),
});
export type FiltersResponse = z.output<typeof filtersResponse>;

/** `GET /v1/demo-images`: labeled images, all of one size, to try training with. */
export const demoImagesResponse = z.object({
  name: z.string().describe('of the data set'),
  classes: z.array(z.string()).describe('identifiers, in label order'),
  labels: z.array(z.string()).describe('names for people, in label order'),
  width: z.int(),
  height: z.int(),
  channels: z.union([z.literal(1), z.literal(3)]).describe('1: grey'),
  imageLabels: z.array(z.int()).describe('the class of each image'),
  pixels: z.string().describe('base64 of [images, height, width, channels] bytes'),
});
export type DemoImagesResponse = z.output<typeof demoImagesResponse>;
