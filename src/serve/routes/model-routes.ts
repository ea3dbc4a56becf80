/** `GET /v1/model`, `GET /v1/model/filters` and `GET /v1/demo-images`. */
import { UserError } from '../../core/errors.ts';
import { protocols } from '../../evaluate/protocol/protocol.ts';
import {
  cardQuery,
  demoImagesResponse,
  filtersQuery,
  filtersResponse,
  type ModelsResponse,
  modelsResponse,
} from '../contract/model-schemas.ts';
import { filterPixels } from '../models/byte-maps.ts';
import { describeModel } from '../models/describe-model.ts';
import type { Context } from '../request-context.ts';
import { available, RequestError } from '../request-errors.ts';
import { commonErrors, lookupErrors, type Routes, routeSchema } from '../route-types.ts';

export function modelRoutes(app: Routes, context: Context): void {
  const { models, limits, servesWeights, demoImages, pages } = context;
  const describe = (): ModelsResponse => ({
    models: models.list.map(describeModel),
    limits,
    protocols: [...protocols],
    weights: servesWeights,
    demoImages: demoImages?.name,
  });
  app.get(
    '/v1/model',
    {
      schema: routeSchema(
        'Describe the models, layer by layer, and the limits of requests.',
        {},
        modelsResponse,
        commonErrors,
      ),
    },
    async () => describe(),
  );

  app.get(
    '/v1/model/card',
    {
      schema: {
        summary: 'Get the model card of a model (Markdown).',
        querystring: cardQuery,
        response: { ...lookupErrors },
      },
    },
    async (request, reply) => {
      const { run } = models.find(request.query.model);
      if (run === undefined) {
        throw new RequestError('not_available', 'This model is not that of a run, so there is no card.');
      }
      const card = await available('The model card cannot be made', () => pages.card(run));
      return reply
        .type('text/markdown; charset=utf-8')
        .serializer((text: unknown) => text as string)
        .send(card as never);
    },
  );

  app.get(
    '/v1/model/filters',
    {
      schema: routeSchema(
        'Show the filters of the first layer as images.',
        { querystring: filtersQuery },
        filtersResponse,
      ),
    },
    async (request) => {
      const model = models.find(request.query.model);
      const layer = model.facts.network.layers.find(({ name }) => name === request.query.layer);
      if (layer?.kind !== 'convolution' || layer.inChannels !== 3) {
        const [first] = model.facts.network.layers;
        throw new RequestError(
          'bad_request',
          `Only filters over three channels can be shown; choose the layer ${first!.name}.`,
        );
      }
      const pixels = filterPixels(await model.parameter(`${layer.name}.weight`), layer.kernel);
      return {
        layer: layer.name,
        shape: [layer.outChannels, 3, layer.kernel, layer.kernel] as [number, 3, number, number],
        filters: Buffer.from(pixels).toString('base64'),
      };
    },
  );

  app.get(
    '/v1/demo-images',
    { schema: routeSchema('Get labeled images to try training with.', {}, demoImagesResponse) },
    async () => {
      if (!demoImages) {
        throw new RequestError('not_found', 'This server has no demo images; start it with --demo-data.');
      }
      try {
        return await demoImages.load();
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        const message =
          'The demo images of this server cannot be read; its --demo-data must name a data set.';
        throw new RequestError('not_available', message, { cause: error });
      }
    },
  );
}
