import { protocols } from '../../evaluate/protocol.ts';
import type { Context } from '../context.ts';
import { filtersQuery, filtersResponse, type ModelsResponse, modelsResponse } from '../contract/model.ts';
import { RequestError } from '../errors.ts';
import { filterPixels } from '../models/byte-maps.ts';
import { describeModel } from '../models/describe.ts';
import { commonErrors, lookupErrors, type Routes } from '../route-types.ts';

/** `GET /v1/model` and `GET /v1/model/filters` */
export function modelRoutes(app: Routes, { models, limits, servesWeights, demoImages }: Context): void {
  const answer: ModelsResponse = {
    models: models.list.map(describeModel),
    limits,
    protocols: [...protocols],
    weights: servesWeights,
    ...(demoImages && { demoImages: demoImages.name }),
  };
  app.get(
    '/v1/model',
    {
      schema: {
        summary: 'The models that are served, layer by layer, and what a request may have.',
        response: { 200: modelsResponse, ...commonErrors },
      },
    },
    async () => answer,
  );

  app.get(
    '/v1/model/filters',
    {
      schema: {
        summary: 'The filters of the first layer, to look at.',
        querystring: filtersQuery,
        response: { 200: filtersResponse, ...lookupErrors },
      },
    },
    async (request) => {
      const model = models.find(request.query.model);
      const layer = model.facts.network.layers.find(({ name }) => name === request.query.layer);
      if (layer?.kind !== 'convolution' || layer.inChannels !== 3) {
        const [first] = model.facts.network.layers;
        throw new RequestError(
          'bad_request',
          `Only filters over three channels can be seen, and those are ${first!.name}'s.`,
        );
      }
      const pixels = filterPixels(await model.weights(layer.name), layer.kernel);
      return {
        layer: layer.name,
        shape: [layer.outChannels, 3, layer.kernel, layer.kernel] as [number, 3, number, number],
        filters: Buffer.from(pixels).toString('base64'),
      };
    },
  );
}

//// MERGED src/serve/routes/demo-images.ts
import type { Context } from '../context.ts';
import { demoImagesResponse } from '../contract/model.ts';
import { RequestError } from '../errors.ts';
import { lookupErrors, type Routes } from '../route-types.ts';

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
