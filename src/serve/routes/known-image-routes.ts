/** `GET /v1/samples` and `POST /v1/familiarity`: the images that a model was validated on. */
import { prepareForEvaluation } from '../../data/pixels/evaluation-images.ts';
import type { ImageSource } from '../../data/sources/image-source.ts';
import { featureLayerNames } from '../../evaluate/features/feature-layers.ts';
import { samplesQuery, samplesResponse } from '../contract/model-schemas.ts';
import { familiarityQuery, familiarityResponse } from '../contract/predict-schemas.ts';
import { imageRoutes } from '../image-route.ts';
import type { FeatureModel } from '../models/known-images.ts';
import type { ServedModel } from '../models/served-model.ts';
import type { Context } from '../request-context.ts';
import { type Routes, routeSchema } from '../route-types.ts';
import { decodeOne } from './map-routes.ts';

export function knownImageRoutes(app: Routes, context: Context): void {
  app.get(
    '/v1/samples',
    {
      schema: routeSchema(
        "Get some validation images of a model's run, to try the model with.",
        { querystring: samplesQuery },
        samplesResponse,
      ),
    },
    async (request) => {
      const { known, facts } = context.models.find(request.query.model);
      const samples = (await known?.samples()) ?? [];
      return {
        samples: samples.map(({ name, label, png }) => ({
          name,
          label: facts.labels[label]!,
          image: png.toString('base64'),
        })),
      };
    },
  );

  imageRoutes(app, context)(
    '/v1/familiarity',
    'Compare an image with those that the model was validated on: is it like them?',
    { querystring: familiarityQuery, response: familiarityResponse },
    async ({ model: name }, active) => {
      const model = context.models.find(name);
      const { scaled } = await decodeOne(context, model, undefined, 'center', active);
      const found = await model.known?.compare(featureModel(model), scaled[0]!.image);
      if (!found) return { compared: 0, unlike: false };
      return { ...found, nearest: model.facts.labels[found.nearest]! };
    },
  );
}

function featureModel(model: ServedModel): FeatureModel {
  const { scales, ...how } = model.preparation(model.scales(undefined, 'center'));
  const lastHidden = featureLayerNames(model.facts.network).at(-2)!;
  return {
    classes: model.facts.network.classes,
    prepare: async (source: ImageSource, index: number) => {
      const name = source.imageName(index);
      const [scaled] = await prepareForEvaluation(await source.read(index), name, scales, how);
      return scaled!;
    },
    features: async (images) => [
      await model.features('pool4', images, 'mean'),
      await model.features(lastHidden, images, 'none'),
    ],
  };
}
