/** Small JSON bodies, for the routes that receive no images. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RequestError } from './request-errors.ts';
import type { Routes } from './route-types.ts';

const MAX_BYTES = 65_536;

/** Makes the routes of a scope accept JSON instead of images. */
export function acceptJson(scope: Routes): void {
  const app = scope as unknown as FastifyInstance;
  app.removeAllContentTypeParsers();
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
