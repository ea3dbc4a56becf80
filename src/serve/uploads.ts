/** The images of a request: its body, or the files of multipart/form-data. */
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Limits } from './contract/model-schemas.ts';
import { RequestError } from './request-errors.ts';

export interface Upload {
  /** The file name in the form, or `image`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

export const imageTypes = [
  'image/jpeg',
  'image/png',
  'image/webp',
  'image/avif',
  'application/octet-stream',
] as const;
/** Other names of JPEG that clients send. */
const JPEG_ALIASES = ['image/jpg', 'image/pjpeg'];
/** Form fields beside the images, which browsers and frameworks add. */
const MAX_FIELDS = 20;

/** Makes a server accept images and nothing else. */
export async function acceptImages(app: FastifyInstance, { imageBytes, images }: Limits): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    [...imageTypes, ...JPEG_ALIASES],
    { parseAs: 'buffer', bodyLimit: imageBytes },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  await app.register(multipart, {
    limits: {
      fileSize: imageBytes,
      files: images,
      fields: MAX_FIELDS,
      fieldSize: 4096,
      headerPairs: 20,
      parts: images + MAX_FIELDS,
    },
  });
}

/** Maximum size of a request's body; chunked bodies, which do not declare their size, count as this. */
export function maxBodyBytes(request: FastifyRequest, { imageBytes, images }: Limits): number {
  return isMultipart(request) ? imageBytes * images : imageBytes;
}

/**
 * @param onImage called for each image after the first, before its bytes are read
 * @throws RequestError if there is no image, there are too many, or a form field has the name of a query parameter,
 *   which would otherwise be ignored silently. Other form fields are ignored.
 */
export async function readUploads(request: FastifyRequest, onImage = () => {}): Promise<Upload[]> {
  if (!isMultipart(request)) {
    if (!(request.body instanceof Uint8Array)) throw noImage();
    return [{ name: 'image', bytes: request.body }];
  }
  const uploads: Upload[] = [];
  for await (const part of request.parts()) {
    if (part.type === 'field') {
      refuseQueryField(request, part.fieldname);
      continue;
    }
    if (uploads.length > 0) onImage();
    uploads.push({ name: part.filename || `image ${uploads.length + 1}`, bytes: await part.toBuffer() });
  }
  if (uploads.length === 0) throw noImage();
  return uploads;
}

function refuseQueryField({ routeOptions }: FastifyRequest, name: string): void {
  const { shape = {} } = (routeOptions.schema?.querystring ?? {}) as { readonly shape?: object };
  if (!Object.hasOwn(shape, name)) return;
  throw new RequestError(
    'bad_request',
    `The form field "${name}" is not read; add it to the address (?${name}=…), and send only images in the form.`,
  );
}

/** For requests about one image. */
export async function readUpload(request: FastifyRequest): Promise<Upload> {
  const [first, ...others] = await readUploads(request);
  if (others.length > 0) {
    throw new RequestError('bad_request', 'Too many images; send one image at a time to this address.');
  }
  return first!;
}

function isMultipart(request: FastifyRequest): boolean {
  return /^multipart\/form-data/i.test(request.headers['content-type'] ?? '');
}

function noImage(): RequestError {
  return new RequestError(
    'bad_request',
    `The request has no image; send one as the body (${imageTypes.join(', ')}), or files as multipart/form-data.`,
  );
}
