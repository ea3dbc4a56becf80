import { npyHeader } from '../../core/npy.ts';
import { sameShape } from '../../core/shape.ts';
import { poolPositions } from '../../evaluate/feature-layers.ts';
import { admit } from '../admission.ts';
import { type Context, type Work, working } from '../context.ts';
import {
  activationsQuery,
  activationsResponse,
  featuresQuery,
  featuresResponse,
} from '../contract/activations.ts';
import { RequestError } from '../errors.ts';
import { channelMaps } from '../models/byte-maps.ts';
import type { Activations } from '../models/served-model.ts';
import { imageErrors, type Routes } from '../route-types.ts';
import { readUpload, readUploads, type Upload } from '../uploads.ts';

/** `POST /v1/activations` to look at, `POST /v1/features` to compute with. */
export function activationRoutes(app: Routes, context: Context): void {
  app.post(
    '/v1/activations',
    {
      onRequest: admit(context),
      schema: {
        summary: "A layer's activations for an image, to look at.",
        querystring: activationsQuery,
        response: { 200: activationsResponse, ...imageErrors },
      },
    },
    (request, reply) =>
      working(request, reply, context, async (work) => {
        const { layer, channels } = request.query;
        const upload = await readUpload(request);
        const { shape, values } = await activationsOf(upload, request.query, context, work);
        const { maps, ...rest } = channelMaps(values, shape, channels);
        const [, ...ofImage] = shape;
        return { layer, shape: ofImage, ...rest, maps: Buffer.from(maps).toString('base64') };
      }),
  );

  app.post(
    '/v1/features',
    {
      onRequest: admit(context),
      schema: {
        summary: "A layer's activations for images, to compute with.",
        querystring: featuresQuery,
        response: { 200: featuresResponse, ...imageErrors },
      },
    },
    (request, reply) =>
      working(request, reply, context, async (work) => {
        const { layer, pool, as } = request.query;
        const features: Features[] = [];
        for (const upload of await readUploads(request, () => work.permit.grow(1))) {
          const { shape, values } = await activationsOf(upload, request.query, context, work);
          features.push({ name: upload.name, ...poolPositions(values, shape, pool) });
        }
        if (as === 'npy')
          return reply
            .serializer(asIs)
            .type('application/octet-stream')
            .send(npyOf(features) as never);
        return { layer, images: features.map((one) => ({ ...one, values: [...one.values] })) };
      }),
  );
}

interface Looking {
  readonly model?: string;
  readonly layer: string;
  readonly scale?: number;
  readonly view: 'center' | 'whole';
}

async function activationsOf(
  upload: Upload,
  { model: name, layer, scale: wanted, view }: Looking,
  { models, pictures, metrics }: Context,
  { signal }: Work,
): Promise<Activations> {
  const model = models.find(name);
  const scales = model.scales(wanted === undefined ? undefined : [wanted], protocolOf(view));
  const { scaled } = await pictures.read(upload, scales, signal);
  metrics.images.inc();
  signal.throwIfAborted();
  return model.activations(layer, scaled[0]!, view);
}

/** Whose scales are large enough: a map needs less than a crop where the layer comes early, but fc6 takes as much. */
function protocolOf(view: Looking['view']) {
  return view === 'center' ? 'center' : 'dense';
}

interface Features {
  readonly name: string;
  readonly shape: number[];
  readonly values: Float32Array;
}

const asIs = (payload: unknown) => payload as string;

/** `[N, C]` or `[N, C, H, W]`. @throws RequestError where the images' shapes differ. */
function npyOf(features: readonly Features[]): Buffer {
  const [first] = features;
  if (!features.every(({ shape }) => sameShape(shape, first!.shape))) {
    throw new RequestError(
      'bad_request',
      'The features of these images differ in shape, and an .npy file holds one: ask for pool=mean, view=center or as=json.',
    );
  }
  const bytes = features.map(({ values }) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  );
  return Buffer.concat([npyHeader([features.length, ...first!.shape]), ...bytes]);
}
