/** Lets requests in while there is room, before their bodies are read. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Ticket } from './admission.ts';
import type { Context } from './context.ts';
import { RequestError } from './errors.ts';
import { largestBody } from './uploads.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What a request for work on images holds. */
    ticket: Ticket | undefined;
  }
}

/** A hook for the routes that take images. @throws RequestError `too_large` or `busy`. */
export function admit({ admission, limits }: Context) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const most = largestBody(request, limits);
    const length = request.headers['content-length'];
    const bytes = length === undefined ? most : Number(length);
    // A little more for the lines between the parts.
    if (bytes > most + 65_536) {
      throw new RequestError(
        'too_large',
        `The body has ${bytes} bytes, more than the ${most} that are taken.`,
      );
    }
    const ticket = admission.take(1, bytes);
    request.ticket = ticket;
    reply.raw.once('close', () => ticket.release());
  };
}
