/** Small JSON bodies, for the routes that receive no images. */
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify';
import { RequestError } from './request-errors.ts';
import type { Routes } from './route-types.ts';

const MAX_BYTES = 65_536;

/** Makes the routes of a scope accept JSON instead of images. */
export function acceptJson(scope: Routes): void {
  const app = scope as unknown as FastifyInstance;
  app.removeAllContentTypeParsers();
  // The messages of the other routes are about images.
  app.setErrorHandler((error: FastifyError) => {
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
      throw new RequestError('too_large', `The body may have at most ${MAX_BYTES} bytes; send less text.`);
    }
    if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
      throw new RequestError('unsupported_type', 'Unsupported content type; send JSON as application/json.');
    }
    throw error;
  });
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: MAX_BYTES },
    async (_request: FastifyRequest, body: string) => {
      try {
        return JSON.parse(body) as unknown;
      } catch (error) {
        throw new RequestError('bad_request', 'The body is not valid JSON.', { cause: error });
      }
    },
  );
}
