/** `POST /v1/predict` */
import { withLabels } from '../../evaluate/protocol/prediction-maps.ts';
import { topClasses } from '../../evaluate/protocol/softmax.ts';
import { admit } from '../admission.ts';
import { predictQuery, predictResponse } from '../contract/predict-schemas.ts';
import type { ServedEnsemble } from '../models/served-models.ts';
import { type ActiveRequest, type Context, handleImages } from '../request-context.ts';
import { imageErrors, type Routes } from '../route-types.ts';
import { readUploads, type Upload } from '../uploads.ts';

export function predictRoute(app: Routes, context: Context): void {
  app.post(
    '/v1/predict',
    {
      onRequest: admit(context),
      schema: {
        summary: 'Classify one image or several.',
        querystring: predictQuery,
        response: { 200: predictResponse, ...imageErrors },
      },
    },
    (request, reply) =>
      handleImages(request, reply, context, async (active) => {
        const { model, protocol, scales: requested, top } = request.query;
        const ensemble = context.models.ensemble(model, protocol, requested);
        const { models, scales } = ensemble;
        active.permit.extend(scales.length - 1);
        const uploads = await readUploads(request, () => active.permit.extend(scales.length));
        const images = await Promise.all(
          uploads.map(async (upload) => ({
            ...(await predict(upload, ensemble, top, context, active)),
            milliseconds: reply.elapsedTime,
          })),
        );
        return { models: [...models], protocol, scales: [...scales], images };
      }),
  );
}

async function predict(
  upload: Upload,
  ensemble: ServedEnsemble,
  top: number,
  { decoder, metrics }: Context,
  { signal }: ActiveRequest,
) {
  const ready = () => ensemble.untilReady();
  const { name, size, scaled } = await decoder.decode(upload, ensemble.scales, signal, ready);
  metrics.images.inc();
  const posteriors = await ensemble.classify(scaled, signal);
  return { name, ...size, top: withLabels(topClasses(posteriors, top), ensemble.labels) };
}
