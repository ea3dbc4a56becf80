/** Health checks, metrics and the OpenAPI document. */
import { z } from 'zod';
import { errorSchema } from '../contract/common-schemas.ts';
import type { Context } from '../request-context.ts';
import { shuttingDown } from '../request-errors.ts';
import type { Routes } from '../route-types.ts';

const okSchema = z.object({ status: z.literal('ok') });

/** `GET /healthz` and `GET /readyz`, which need no token. */
export function healthRoutes(app: Routes, { closing }: Context): void {
  app.get(
    '/healthz',
    { schema: { summary: 'Check whether the server is alive.', response: { 200: okSchema } } },
    async () => ({ status: 'ok' as const }),
  );
  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Check whether the server accepts requests.',
        response: { 200: okSchema, 503: errorSchema },
      },
    },
    async (_, reply) => {
      if (closing.aborted) return reply.code(503).send(shuttingDown().body);
      return { status: 'ok' as const };
    },
  );
}

/** `GET /metrics` and `GET /openapi.json` */
export function operationRoutes(app: Routes, { metrics }: Context): void {
  app.get(
    '/metrics',
    {
      schema: { summary: 'Get metrics for Prometheus.', response: { 200: z.string() } },
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
