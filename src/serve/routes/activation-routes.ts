/** `POST /v1/activations` and `POST /v1/features`: a layer's activations, as images and as numbers. */
import { npyHeader } from '../../core/npy.ts';
import { sameShape } from '../../core/shape.ts';
import type { Activations } from '../../evaluate/features/feature-extractor.ts';
import { poolPositions } from '../../evaluate/features/feature-layers.ts';
import {
  type ActivationsQuery,
  activationsQuery,
  activationsResponse,
  featuresQuery,
  featuresResponse,
} from '../contract/activation-schemas.ts';
import { type ActiveRequest, imageRoutes } from '../image-route.ts';
import { channelMaps } from '../models/byte-maps.ts';
import type { Context } from '../request-context.ts';
import { RequestError } from '../request-errors.ts';
import type { Routes } from '../route-types.ts';
import { readUpload, readUploads, type Upload } from '../uploads.ts';

export function activationRoutes(app: Routes, context: Context): void {
  const post = imageRoutes(app, context);
  post(
    '/v1/activations',
    'Show the activations of a layer as images, one for each channel.',
    { querystring: activationsQuery, response: activationsResponse },
    async (query, active) => {
      const { layer, channels } = query;
      const upload = await readUpload(active.request);
      const { shape, values } = await activationsOf(upload, query, context, active);
      const { maps, ...rest } = channelMaps(values, shape, channels);
      const [, ...ofImage] = shape;
      return { layer, shape: ofImage, ...rest, maps: Buffer.from(maps).toString('base64') };
    },
  );

  post(
    '/v1/features',
    'Extract the activations of a layer as features.',
    { querystring: featuresQuery, response: featuresResponse },
    async (query, active) => {
      const { layer, pool, as } = query;
      const features: Features[] = [];
      for (const upload of await readUploads(active.request, () => active.permit.extend(1))) {
        const { shape, values } = await activationsOf(upload, query, context, active);
        features.push({ name: upload.name, ...poolPositions(values, shape, pool) });
      }
      if (as === 'npy')
        return active.reply
          .serializer((payload: unknown) => payload as string)
          .type('application/octet-stream')
          .send(npyOf(features) as never);
      return { layer, images: features.map((one) => ({ ...one, values: [...one.values] })) };
    },
  );
}

async function activationsOf(
  upload: Upload,
  { model: name, layer, scale, view }: Pick<ActivationsQuery, 'model' | 'layer' | 'scale' | 'view'>,
  { models, decoder, metrics }: Context,
  { signal }: ActiveRequest,
): Promise<Activations> {
  const model = models.find(name);
  // Early layers would accept smaller whole images, but fc6 needs as much as dense evaluation.
  const protocol = view === 'center' ? 'center' : 'dense';
  const scales = model.scales(scale === undefined ? undefined : [scale], protocol);
  const { scaled } = await decoder.decode(upload, model.preparation(scales), signal);
  metrics.images.inc();
  signal.throwIfAborted();
  return model.activations(layer, scaled[0]!, view);
}

interface Features {
  readonly name: string;
  readonly shape: number[];
  readonly values: Float32Array;
}

/** `[N, C]` or `[N, C, H, W]`. @throws RequestError if the images' shapes differ. */
function npyOf(features: readonly Features[]): Buffer {
  const [first] = features;
  if (!features.every(({ shape }) => sameShape(shape, first!.shape))) {
    throw new RequestError(
      'bad_request',
      'The features of these images differ in shape, and an .npy file holds one shape; use pool=mean, view=center or as=json.',
    );
  }
  const bytes = features.map(({ values }) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  return Buffer.concat([npyHeader([features.length, ...first!.shape]), ...bytes]);
}
