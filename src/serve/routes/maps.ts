import { cropScoresOf, scoreMapOf } from '../../evaluate/prediction-maps.ts';
import { admit } from '../admission.ts';
import { type Context, type Work, working } from '../context.ts';
import { cropsQuery, cropsResponse, scoreMapQuery, scoreMapResponse } from '../contract/maps.ts';
import { RequestError } from '../errors.ts';
import type { ServedModel } from '../models/served-model.ts';
import type { DecodedImage } from '../image-decoder.ts';
import { imageErrors, type Routes } from '../route-types.ts';
import { readUpload } from '../uploads.ts';

/** `POST /v1/score-map` and `POST /v1/crops`: what dense evaluation and the grid of crops see, place by place. */
export function mapRoutes(app: Routes, context: Context): void {
  app.post(
    '/v1/score-map',
    {
      onRequest: admit(context),
      schema: {
        summary: 'Where in an image dense evaluation sees a class.',
        querystring: scoreMapQuery,
        response: { 200: scoreMapResponse, ...imageErrors },
      },
    },
    (request, reply) =>
      working(request, reply, context, async (work) => {
        const model = context.models.find(request.query.model);
        checkClasses(model, request.query.class);
        const scales = model.scales(request.query.scales, 'dense');
        const picture = await readPicture(request, context, scales, work);
        return {
          image: picture.size,
          scales: await Promise.all(
            picture.scaled.map(async (image, i) => ({
              scale: scales[i]!,
              ...(await scoreMapOf(model, image, request.query.class ?? request.query.top, work.signal)),
            })),
          ),
        };
      }),
  );

  app.post(
    '/v1/crops',
    {
      onRequest: admit(context),
      schema: {
        summary: 'What a model sees in each crop of the 5×5 grid.',
        querystring: cropsQuery,
        response: { 200: cropsResponse, ...imageErrors },
      },
    },
    (request, reply) =>
      working(request, reply, context, async (work) => {
        const model = context.models.find(request.query.model);
        const scales = model.scales(request.query.scales, 'crops');
        const picture = await readPicture(request, context, scales, work);
        return {
          image: picture.size,
          scales: await Promise.all(
            picture.scaled.map(async (image, i) => ({
              scale: scales[i]!,
              ...(await cropScoresOf(model, image, request.query.flip, work.signal)),
            })),
          ),
        };
      }),
  );
}

async function readPicture(
  request: Parameters<typeof readUpload>[0],
  { pictures, metrics }: Context,
  scales: readonly number[],
  { permit, signal }: Work,
): Promise<DecodedImage> {
  permit.grow(scales.length - 1);
  const picture = await pictures.read(await readUpload(request), scales, signal);
  metrics.images.inc();
  return picture;
}

function checkClasses({ facts }: ServedModel, classes: readonly number[] = []): void {
  const strange = classes.find((index) => index >= facts.network.classes);
  if (strange === undefined) return;
  throw new RequestError(
    'bad_request',
    `There is no class ${strange}: this model has those from 0 to ${facts.network.classes - 1}.`,
  );
}
