/** `POST /v1/grad-cam` and `POST /v1/occlusion`: which parts of an image speak for a class. */
import { occlusionGrid, occlusionMapOf } from '../../evaluate/protocol/occlusion-map.ts';
import { gradCamQuery, gradCamResponse, occlusionQuery, occlusionResponse } from '../contract/map-schemas.ts';
import { type ActiveRequest, imageRoutes } from '../image-route.ts';
import type { ServedModel } from '../models/served-model.ts';
import type { Context } from '../request-context.ts';
import { RequestError } from '../request-errors.ts';
import type { Routes } from '../route-types.ts';
import { checkClasses, decodeOne } from './map-routes.ts';

export function explanationRoutes(app: Routes, context: Context): void {
  const post = imageRoutes(app, context);
  const decode = async (
    model: ServedModel,
    { scale, class: index }: { readonly scale?: number; readonly class?: number },
    active: ActiveRequest,
  ) => {
    checkClasses(model, index === undefined ? [] : [index]);
    const { size, scaled } = await decodeOne(
      context,
      model,
      scale === undefined ? undefined : [scale],
      'dense',
      active,
    );
    return { size, ...scaled[0]! };
  };

  post(
    '/v1/grad-cam',
    'Show which parts of an image speak for a class, by Grad-CAM on the last convolution.',
    { querystring: gradCamQuery, response: gradCamResponse },
    async (query, active) => {
      const model = context.models.find(query.model);
      const { size, scale, image } = await decode(model, query, active);
      return { image: size, scale, ...(await model.gradCam(image, query.class, active.signal)) };
    },
  );

  post(
    '/v1/occlusion',
    'Show how the probability of a class changes when a square hides one part of the image after another.',
    { querystring: occlusionQuery, response: occlusionResponse },
    async (query, active) => {
      const model = context.models.find(query.model);
      const { size, scale, image } = await decode(model, query, active);
      const { patch } = query;
      if (patch !== undefined && patch > scale) {
        throw new RequestError('bad_request', `A square of ${patch} pixels does not fit the scale ${scale}.`);
      }
      const { rows, columns } = occlusionGrid(image, model.facts.network.crop, patch);
      active.permit.extend(rows * columns);
      const options = { class: query.class, patch, signal: active.signal };
      return { image: size, scale, ...(await occlusionMapOf(model, image, options)) };
    },
  );
}
