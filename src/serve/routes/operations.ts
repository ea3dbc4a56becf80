import { z } from 'zod';
import type { Context } from '../context.ts';
import { errorSchema } from '../contract/common.ts';
import { errorBody } from '../errors.ts';
import type { Routes } from '../route-types.ts';

const okSchema = z.object({ status: z.literal('ok') });

/** For those who run the server: whether it lives, whether it takes requests. No token needed. */
export function healthRoutes(app: Routes, { closing }: Context): void {
  app.get(
    '/healthz',
    { schema: { summary: 'Whether the server lives.', response: { 200: okSchema } } },
    async () => ({ status: 'ok' as const }),
  );
  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Whether the server takes requests.',
        response: { 200: okSchema, 503: errorSchema },
      },
    },
    async (_, reply) => {
      if (closing.aborted) return reply.code(503).send(errorBody('busy', 'The server is being shut down.'));
      return { status: 'ok' as const };
    },
  );
}

/** `GET /metrics` and `GET /openapi.json` */
export function operationRoutes(app: Routes, { metrics }: Context): void {
  app.get(
    '/metrics',
    {
      schema: { summary: 'Figures for Prometheus.', response: { 200: z.string() } },
    },
    async (_, reply) =>
      reply
        .serializer((text: unknown) => text as string)
        .type(metrics.registry.contentType)
        .send(await metrics.registry.metrics()),
  );
  app.get('/openapi.json', { schema: { hide: true } }, async (_, reply) =>
    reply.serializer(JSON.stringify).type('application/json').send(app.swagger()),
  );
}
