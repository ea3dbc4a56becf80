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

export const imageTypes = ['image/jpeg', 'image/png', 'image/webp', 'application/octet-stream'] as const;

/** Makes a server accept images and nothing else. */
export async function acceptImages(app: FastifyInstance, { imageBytes, images }: Limits): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    [...imageTypes],
    { parseAs: 'buffer', bodyLimit: imageBytes },
    async (_request: FastifyRequest, body: Buffer) => body,
  );
  await app.register(multipart, {
    limits: { fileSize: imageBytes, files: images, fields: 0, headerPairs: 20, parts: images },
  });
}

/** Maximum size of a request's body; chunked bodies, which do not declare their size, count as this. */
export function maxBodyBytes(request: FastifyRequest, { imageBytes, images }: Limits): number {
  return isMultipart(request) ? imageBytes * images : imageBytes;
}

/**
 * @param onImage called for each image after the first, before its bytes are read
 * @throws RequestError if there is no image, or there are too many.
 */
export async function readUploads(request: FastifyRequest, onImage = () => {}): Promise<Upload[]> {
  if (!isMultipart(request)) {
    if (!(request.body instanceof Uint8Array)) throw noImage();
    return [{ name: 'image', bytes: request.body }];
  }
  const uploads: Upload[] = [];
  for await (const part of request.files()) {
    if (uploads.length > 0) onImage();
    uploads.push({ name: part.filename || `image ${uploads.length + 1}`, bytes: await part.toBuffer() });
  }
  if (uploads.length === 0) throw noImage();
  return uploads;
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
