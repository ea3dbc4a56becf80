import { topClasses } from '../../evaluate/softmax.ts';
import { labelled } from '../../evaluate/prediction-maps.ts';
import { admit } from '../admission.ts';
import { type Context, type Work, working } from '../context.ts';
import { predictQuery, predictResponse } from '../contract/predict.ts';
import type { ServedEnsemble } from '../models/served-models.ts';
import { imageErrors, type Routes } from '../route-types.ts';
import { readUploads, type Upload } from '../uploads.ts';

/** `POST /v1/predict` */
export function predictRoute(app: Routes, context: Context): void {
  app.post(
    '/v1/predict',
    {
      onRequest: admit(context),
      schema: {
        summary: 'What is in an image, or in several.',
        querystring: predictQuery,
        response: { 200: predictResponse, ...imageErrors },
      },
    },
    (request, reply) =>
      working(request, reply, context, async (work) => {
        const { model, protocol, scales: wanted, top } = request.query;
        const jury = context.models.jury(model, protocol, wanted);
        work.permit.grow(jury.scales.length - 1);
        const uploads = await readUploads(request, () => work.permit.grow(jury.scales.length));
        const images = await Promise.all(
          uploads.map(async (upload) => ({
            ...(await judge(upload, jury, top, context, work)),
            milliseconds: reply.elapsedTime,
          })),
        );
        return { models: [...jury.models], protocol, scales: [...jury.scales], images };
      }),
  );
}

async function judge(upload: Upload, jury: ServedEnsemble, top: number, context: Context, { signal }: Work) {
  const { name, size, scaled } = await context.pictures.read(upload, jury.scales, signal, () =>
    jury.untilReady(),
  );
  context.metrics.images.inc();
  const posteriors = await jury.judge(scaled, signal);
  return { name, ...size, top: labelled(topClasses(posteriors, top), jury.labels) };
}
