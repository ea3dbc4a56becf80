import type { Context } from '../context.ts';
import { demoImagesResponse } from '../contract/model.ts';
import { RequestError } from '../errors.ts';
import { lookupErrors, type Routes } from '../typed.ts';

/** `GET /v1/demo-images` */
export function demoImagesRoute(app: Routes, { demoImages }: Context): void {
  app.get(
    '/v1/demo-images',
    {
      schema: {
        summary: 'Some labelled images, for visitors who want to train and have none.',
        response: { 200: demoImagesResponse, ...lookupErrors },
      },
    },
    async () => {
      if (demoImages) return demoImages.load();
      throw new RequestError('not_found', 'This server has no images to train on (--demo-data).');
    },
  );
}
