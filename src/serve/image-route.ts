/** Routes that receive images: admission, errors, and clients that disconnect. */
import { setMaxListeners } from 'node:events';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { z } from 'zod';
import { admit, type Permit } from './admission.ts';
import type { Context } from './request-context.ts';
import { ClientDisconnected } from './request-errors.ts';
import { imageErrors, type Routes, routeSchema } from './route-types.ts';

const ignoredFields = z
  .array(z.string())
  .optional()
  .describe('names of form fields that were not read; absent if there are none');

/** A request for work on images while it is handled. */
export interface ActiveRequest {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly permit: Permit;
  /** Aborted when the client disconnects, or the request has failed. */
  readonly signal: AbortSignal;
}

/**
 * @returns a function that adds a POST route. Its last argument gets the query; the rest of its work is abandoned when
 *   the client disconnects or one part of it fails.
 */
export function imageRoutes(app: Routes, context: Context) {
  return <Query extends z.ZodType, Response extends z.ZodObject>(
    path: string,
    summary: string,
    { querystring, response }: { readonly querystring: Query; readonly response: Response },
    handle: (query: z.output<Query>, active: ActiveRequest) => Promise<z.input<Response> | FastifyReply>,
  ): void => {
    const answer = response.extend({ ignoredFields });
    const schema: FastifySchema = routeSchema(summary, { querystring }, answer, imageErrors);
    const options = { onRequest: admit(context), schema };
    (app as unknown as FastifyInstance).post(path, options, async (request, reply) => {
      const result = await untilDisconnected(request, reply, context, (active) =>
        handle(request.query as z.output<Query>, active),
      );
      if (result === reply || request.ignoredFields === undefined) return result;
      return { ...(result as object), ignoredFields: request.ignoredFields };
    });
  };
}

async function untilDisconnected<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  { metrics }: Context,
  handle: (active: ActiveRequest) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  // Each of the hundreds of crops adds a listener.
  setMaxListeners(0, controller.signal);
  const onClose = () => {
    if (reply.raw.writableFinished) return;
    metrics.disconnected.inc();
    controller.abort(new ClientDisconnected('the client has disconnected'));
  };
  reply.raw.once('close', onClose);
  try {
    return await handle({ request, reply, permit: request.permit!, signal: controller.signal });
  } catch (error) {
    reply.raw.off('close', onClose);
    controller.abort(error);
    throw error;
  }
}
