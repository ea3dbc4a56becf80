/** `GET /v1/demo-images`: some labelled images to try a training on, all of one size. */
import { z } from 'zod';

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
