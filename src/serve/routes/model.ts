import { protocols } from '../../evaluate/protocol.ts';
import type { Context } from '../context.ts';
import { filtersQuery, filtersResponse, type ModelsResponse, modelsResponse } from '../contract/model.ts';
import { RequestError } from '../errors.ts';
import { filterPixels } from '../models/byte-maps.ts';
import { describeModel } from '../models/describe.ts';
import { commonErrors, lookupErrors, type Routes } from '../typed.ts';

/** `GET /v1/model` and `GET /v1/model/filters` */
export function modelRoutes(app: Routes, { models, limits, givesWeights, demoImages }: Context): void {
  const answer: ModelsResponse = {
    models: models.list.map(describeModel),
    limits,
    protocols: [...protocols],
    weights: givesWeights,
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
