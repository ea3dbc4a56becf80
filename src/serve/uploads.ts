/** The images of a request: its body, also inside JSON, or the files of multipart/form-data. */
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Limits } from './contract/model-schemas.ts';
import { imageInJson, maxJsonBytes } from './json-image.ts';
import { RequestError } from './request-errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Names of form fields that are not read. */
    ignoredFields: string[] | undefined;
  }
}

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
export const jpegAliases = ['image/jpg', 'image/pjpeg'];
/** The bodies of requests, for messages. */
export const bodies = `an image as ${imageTypes.join(', ')}, {"image": "data:image/jpeg;base64,…"} as application/json, or files as multipart/form-data`;
/** Form fields beside the images, which browsers and frameworks add. */
const MAX_FIELDS = 20;

/** Makes a server accept images and nothing else. */
export async function acceptImages(app: FastifyInstance, { imageBytes, images }: Limits): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    [...imageTypes, ...jpegAliases],
    { parseAs: 'buffer', bodyLimit: imageBytes },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: maxJsonBytes(imageBytes) },
    async (request: FastifyRequest, body: Buffer) =>
      imageInJson(body, imageBytes, (field) => refuseQueryField(request, field)),
  );
  app.decorateRequest('ignoredFields', undefined);
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
  if (isMultipart(request)) return imageBytes * images;
  return isType(request, 'application/json') ? maxJsonBytes(imageBytes) : imageBytes;
}

/**
 * @param onImage called for each image after the first, before its bytes are read
 * @throws RequestError if there is no image, there are too many, or a form field has the name of a query parameter,
 *   so that the client meant to set it. The names of other form fields go into the response, since forms of browsers and
 *   frameworks have such fields and their users want the result.
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
      request.ignoredFields = [...new Set([...(request.ignoredFields ?? []), part.fieldname])];
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
    `The field "${name}" is not read; add it to the address (?${name}=…), and send only images in the body.`,
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
  return isType(request, 'multipart/form-data');
}

function isType(request: FastifyRequest, type: string): boolean {
  const [sent = ''] = (request.headers['content-type'] ?? '').split(';', 1);
  return sent.trim().toLowerCase() === type;
}

function noImage(): RequestError {
  return new RequestError('bad_request', `The request has no image; send ${bodies}.`);
}
