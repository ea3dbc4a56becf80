/** Fastify with zod schemas, and the errors that routes declare. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, RawServerDefault } from 'fastify';
import type { FastifyBaseLogger } from 'fastify/types/logger.js';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { errorSchema } from './contract/common-schemas.ts';

export type Routes = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

const errorsOf = (...statuses: number[]) =>
  Object.fromEntries(statuses.map((status) => [status, errorSchema])) as Record<never, never>;

/** Errors of every route. */
export const commonErrors = errorsOf(400, 401, 403, 500, 503);
/** Errors of routes that look something up by name. */
export const lookupErrors = errorsOf(400, 401, 403, 404, 409, 500, 503);
/** Errors of routes that receive JSON and look something up. */
export const jsonErrors = errorsOf(400, 401, 403, 404, 409, 413, 415, 500, 503);
/** Errors of routes that receive images. */
export const imageErrors = errorsOf(400, 401, 403, 404, 408, 413, 415, 422, 500, 503);

/**
 * The schema of a route.
 * @param inputs schemas of `params` and `querystring`
 * @param response schema of its JSON
 */
export function routeSchema<Inputs extends object, Response extends z.ZodType>(
  summary: string,
  inputs: Inputs,
  response: Response,
  errors: Record<never, never> = lookupErrors,
) {
  return { summary, ...inputs, response: { 200: response, ...errors } };
}
