/** `GET /v1/model`, `GET /v1/model/filters`, `GET /v1/model/weights` (a file) and `GET /v1/demo-images`. */
import { z } from 'zod';
import { protocolSchema, query } from './common-schemas.ts';

const layerSchema = z
  .object({
    name: z.string(),
    kind: z.enum(['convolution', 'relu', 'maxPool', 'adaptivePool', 'lrn', 'dropout']),
    kernel: z.int().optional(),
    stride: z.int().optional(),
    padding: z.int().optional(),
    outputShape: z.tuple([z.int(), z.int(), z.int()]).describe('[channels, height, width] at the crop'),
    parameters: z.int(),
    multiplyAdds: z.int().describe('multiply-add operations of one forward pass at the crop'),
    receptiveField: z.int().describe('side of the receptive field in pixels'),
    effectiveStride: z.int().describe('pixels between the receptive fields of neighboring outputs'),
    activations: z.boolean().describe('whether /v1/activations and /v1/features accept the layer'),
  })
  .meta({ id: 'Layer' });
export type LayerInfo = z.output<typeof layerSchema>;

const modelSchema = z
  .object({
    name: z.string().describe('value of the query parameter `model`'),
    config: z.string().describe('configuration of Table 1'),
    width: z.number().describe('multiplier for the channels of the hidden layers of Table 1'),
    classes: z.int(),
    labels: z.array(z.string()),
    weightLayers: z.int(),
    crop: z.int().describe('side of the training crop in pixels'),
    trainedScale: z
      .object({ min: z.int(), max: z.int() })
      .optional()
      .describe('training scale S (smaller side), if known'),
    defaultScale: z.int().describe('default test scale Q'),
    autoScales: z.array(z.int()).describe('test scales for scales=auto; empty if unknown'),
    meanRgb: z.tuple([z.number(), z.number(), z.number()]),
    pooling: z.enum(['floor', 'ceil']),
    parameters: z.int(),
    multiplyAdds: z.int(),
    checksum: z.string().describe('SHA-256 of the model file'),
    hasCard: z.boolean().describe('whether /v1/model/card has a model card: for models of runs'),
    license: z.string().optional(),
    layers: z.array(layerSchema),
    training: z
      .record(z.string(), z.string())
      .optional()
      .describe('provenance recorded in the model file, without folders'),
  })
  .meta({ id: 'Model' });
export type ModelInfo = z.output<typeof modelSchema>;

const limitsSchema = z
  .object({
    imageBytes: z.int().describe('maximum bytes of an uploaded image'),
    pixels: z.int().describe('maximum pixels of an uploaded image'),
    rescaledPixels: z.int().describe('maximum pixels of a rescaled image'),
    images: z.int().describe('maximum number in one request'),
  })
  .meta({ id: 'Limits' });
export type Limits = z.output<typeof limitsSchema>;

/** `models` is empty if the server shows runs only. */
export const modelsResponse = z.object({
  models: z.array(modelSchema),
  limits: limitsSchema,
  protocols: z.array(protocolSchema),
  weights: z.boolean().describe('whether /v1/model/weights sends the models'),
  demoImages: z.string().optional().describe('name of the data set of /v1/demo-images, if there is one'),
});
export type ModelsResponse = z.output<typeof modelsResponse>;

export const weightsQuery = z.object({ model: query.model });

export const cardQuery = z.object({ model: query.model });

export const filtersQuery = z.object({
  model: query.model,
  layer: query.layer.default('conv1_1').describe('a layer with 3 input channels: conv1_1'),
});
export const filtersResponse = z.object({
  layer: z.string(),
  shape: z.tuple([z.int(), z.literal(3), z.int(), z.int()]).describe('[filters, 3, height, width]'),
  filters: z
    .base64()
    .describe(
      'base64 of [filters, height, width, 3] bytes: RGB, each filter scaled to its own range of values',
    ),
});
export type FiltersResponse = z.output<typeof filtersResponse>;

export const samplesQuery = z.object({ model: query.model });
export const samplesResponse = z.object({
  samples: z
    .array(
      z.object({
        name: z.string().describe('file name'),
        label: z.string().describe('its class in the data set'),
        image: z.base64().describe('base64 of a PNG file, at most 512 pixels on the smaller side'),
      }),
    )
    .describe("empty if the data of the model's run is not at hand"),
});
export type SamplesResponse = z.output<typeof samplesResponse>;

/** `GET /v1/demo-images`: labeled images, all of one size, to try training with. */
export const demoImagesResponse = z.object({
  name: z.string().describe('name of the data set'),
  classes: z.array(z.string()).describe('identifiers, in label order'),
  labels: z.array(z.string()).describe('display names, in label order'),
  width: z.int(),
  height: z.int(),
  channels: z.union([z.literal(1), z.literal(3)]).describe('1: gray'),
  imageLabels: z.array(z.int()).describe('class number of each image'),
  pixels: z.string().describe('base64 of [images, height, width, channels] bytes'),
});
export type DemoImagesResponse = z.output<typeof demoImagesResponse>;
