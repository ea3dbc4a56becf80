/** `POST /v1/score-map` and `POST /v1/crops`: predictions by position. */
import { cropScoresOf, scoreMapOf } from '../../evaluate/protocol/prediction-maps.ts';
import type { Protocol } from '../../evaluate/protocol/protocol.ts';
import type { RequestedScales } from '../../evaluate/protocol/test-scales.ts';
import { cropsQuery, cropsResponse, scoreMapQuery, scoreMapResponse } from '../contract/map-schemas.ts';
import { type ActiveRequest, imageRoutes } from '../image-route.ts';
import type { ServedModel } from '../models/served-model.ts';
import type { Context } from '../request-context.ts';
import { RequestError } from '../request-errors.ts';
import type { Routes } from '../route-types.ts';
import { readUpload } from '../uploads.ts';

export function mapRoutes(app: Routes, context: Context): void {
  const post = imageRoutes(app, context);
  post(
    '/v1/score-map',
    'Show where in an image dense evaluation finds evidence for a class.',
    { querystring: scoreMapQuery, response: scoreMapResponse },
    async ({ model: name, scales, class: classes, top }, active) => {
      const model = context.models.find(name);
      checkClasses(model, classes);
      const decoded = await decodeOne(context, model, scales, 'dense', active);
      const map = async ({ scale, image }: ScaledImage) => ({
        scale,
        ...(await scoreMapOf(model, image, classes ?? top, active.signal)),
      });
      return { image: decoded.size, scales: await Promise.all(decoded.scaled.map(map)) };
    },
  );

  post(
    '/v1/crops',
    'Classify each crop of the 5×5 grid alone.',
    { querystring: cropsQuery, response: cropsResponse },
    async ({ model: name, scales, flip }, active) => {
      const model = context.models.find(name);
      const decoded = await decodeOne(context, model, scales, 'crops', active);
      const classify = async ({ scale, image }: ScaledImage) => ({
        scale,
        ...(await cropScoresOf(model, image, flip, active.signal)),
      });
      return { image: decoded.size, scales: await Promise.all(decoded.scaled.map(classify)) };
    },
  );
}

export type ScaledImage = Awaited<ReturnType<typeof decodeOne>>['scaled'][number];

export async function decodeOne(
  { decoder, metrics }: Context,
  model: ServedModel,
  requested: RequestedScales,
  protocol: Protocol,
  { request, permit, signal }: ActiveRequest,
) {
  const scales = model.scales(requested, protocol);
  permit.extend(scales.length - 1);
  const { size, scaled } = await decoder.decode(await readUpload(request), model.preparation(scales), signal);
  metrics.images.inc();
  return { size, scaled: scaled.map((image, i) => ({ scale: scales[i]!, image })) };
}

export function checkClasses({ facts }: ServedModel, classes: readonly number[] = []): void {
  const unknown = classes.find((index) => index >= facts.network.classes);
  if (unknown === undefined) return;
  throw new RequestError(
    'bad_request',
    `There is no class ${unknown}; the classes of this model are 0 to ${facts.network.classes - 1}.`,
  );
}
