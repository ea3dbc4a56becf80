/** `POST /v1/predict` */
import { withLabels } from '../../evaluate/protocol/prediction-maps.ts';
import { topClasses } from '../../evaluate/protocol/softmax.ts';
import { predictQuery, predictResponse } from '../contract/predict-schemas.ts';
import { type ActiveRequest, imageRoutes } from '../image-route.ts';
import type { ServedEnsemble } from '../models/served-models.ts';
import type { Context } from '../request-context.ts';
import type { Routes } from '../route-types.ts';
import { readUploads, type Upload } from '../uploads.ts';

export function predictRoute(app: Routes, context: Context): void {
  const post = imageRoutes(app, context);
  post(
    '/v1/predict',
    'Classify one image or several.',
    { querystring: predictQuery, response: predictResponse },
    async ({ model, protocol: given, scales: requested, top }, active) => {
      const ensemble = context.models.ensemble(model, given, requested);
      const { models, protocol, scales } = ensemble;
      const { length } = ensemble.decoded;
      active.permit.extend(length - 1);
      const uploads = await readUploads(active.request, () => active.permit.extend(length));
      const images = await Promise.all(
        uploads.map(async (upload) => ({
          ...(await predict(upload, ensemble, top, context, active)),
          milliseconds: active.reply.elapsedTime,
        })),
      );
      return { models: [...models], protocol, scales: [...scales], images };
    },
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
  const { name, size, scaled } = await decoder.decode(
    upload,
    { ...ensemble, scales: ensemble.decoded },
    signal,
    ready,
  );
  metrics.images.inc();
  const posteriors = await ensemble.classify(scaled, signal);
  const ranked = topClasses(posteriors, top);
  const boxes = await ensemble.locate?.(scaled, ranked, signal);
  const classes = withLabels(ranked, ensemble.labels);
  return { name, ...size, top: classes.map((one, i) => ({ ...one, box: boxes?.[i]?.box })) };
}
