import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { FoundRun } from '../../runs/run-list.ts';
import {
  eventsQuery,
  metricsQuery,
  metricsResponse,
  modelQuery,
  runParameters,
  runResponse,
  runsResponse,
  tablesResponse,
} from '../contract/run-schemas.ts';
import type { Context } from '../request-context.ts';
import { available, RequestError } from '../request-errors.ts';
import { commonErrors, lookupErrors, type Routes, routeSchema } from '../route-types.ts';
import { runEvents } from '../runs/run-events.ts';
import { modelDownload, modelFileOf } from '../runs/run-models.ts';
import { Reports } from '../runs/run-reports.ts';
import { describeRun, summarizeRuns } from '../runs/run-summary.ts';
import { REPORT_POLICY } from '../security.ts';
import { runChangeRoutes } from './run-changes.ts';

/** Maximum number of open event streams. */
const MAX_STREAMS = 100;

/** `GET /v1/runs…` */
export function runRoutes(app: Routes, context: Context, log: (message: string) => void): void {
  const { runs, pages, metrics, closing, downloads } = context;
  const reports = new Reports(pages, closing, log);

  const find = async (id: string): Promise<FoundRun> => {
    if (!runs) throw new RequestError('not_found', 'This server shows no runs; start it with --runs FOLDER.');
    const found = await runs.find(id);
    if (found) return found;
    throw new RequestError('not_found', 'There is no run of that name.');
  };

  app.get(
    '/v1/runs',
    { schema: routeSchema('List the training runs.', {}, runsResponse, commonErrors) },
    async () => ({ runs: runs ? await summarizeRuns(runs) : [] }),
  );

  app.get(
    '/v1/runs/:id',
    { schema: routeSchema('Get a run with its recipe and result.', { params: runParameters }, runResponse) },
    async (request) => describeRun(runs!, await find(request.params.id)),
  );

  app.get(
    '/v1/runs/:id/metrics',
    {
      schema: routeSchema(
        'Get the loss, errors and learning rate so far.',
        { params: runParameters, querystring: metricsQuery },
        metricsResponse,
      ),
    },
    async (request) => {
      const file = runs!.metrics(await find(request.params.id));
      await file.update();
      return { lines: file.lines.slice(request.query.from), next: file.lines.length };
    },
  );

  app.get(
    '/v1/runs/:id/tables',
    { schema: routeSchema('Get the results of a run as tables.', { params: runParameters }, tablesResponse) },
    async (request) => ({ tables: await pages.tables((await find(request.params.id)).folder.path) }),
  );

  app.get(
    '/v1/runs/:id/events',
    {
      schema: {
        summary: 'Follow the metrics and state of a run (server-sent events).',
        description:
          'Events are `metrics`, `state` and `rewind`; Last-Event-ID or `from` sets the first line.',
        params: runParameters,
        querystring: eventsQuery,
        response: { ...lookupErrors },
      },
    },
    async (request, reply) => {
      const run = await find(request.params.id);
      if ((await metrics.eventStreams.get()).values[0]!.value >= MAX_STREAMS) {
        throw new RequestError('busy', 'Too many open streams; try again later.', {
          retryAfter: 10,
        });
      }
      const disconnected = new AbortController();
      metrics.eventStreams.inc();
      reply.raw.once('close', () => {
        metrics.eventStreams.dec();
        disconnected.abort();
      });
      const last = request.headers['last-event-id'];
      const from = /^\d{1,9}$/.test(String(last)) ? Number(last) : request.query.from;
      const events = runEvents(runs!, run, from, AbortSignal.any([disconnected.signal, closing]));
      return reply
        .header('cache-control', 'no-store')
        .type('text/event-stream')
        .send(Readable.from(events) as never);
    },
  );

  app.get(
    '/v1/runs/:id/model',
    {
      exposeHeadRoute: false,
      schema: {
        summary: "Download a run's model.",
        params: runParameters,
        querystring: modelQuery,
        response: { ...lookupErrors },
      },
    },
    async (request, reply) => {
      const run = await find(request.params.id);
      const path = await modelFileOf(run, request.query.checkpoint);
      return downloads.send(reply, `${run.id}-${basename(path, '.safetensors')}`, () =>
        available('The model of this run cannot be read', () => modelDownload(path, run.id)),
      );
    },
  );

  app.get(
    '/v1/runs/:id/card',
    {
      schema: {
        summary: "Get the model card of a run's model (Markdown).",
        params: runParameters,
        response: { ...lookupErrors },
      },
    },
    async (request, reply) => {
      const run = await find(request.params.id);
      await modelFileOf(run, undefined);
      const card = await available('The model card cannot be made', () => pages.card(run.folder.path));
      return reply
        .type('text/markdown; charset=utf-8')
        .serializer((text: unknown) => text as string)
        .send(card as never);
    },
  );

  runChangeRoutes(app, context, find);

  app.get(
    '/v1/runs/:id/report',
    {
      schema: {
        summary: 'Get the report of a run as an HTML page; status 202 while it is being generated.',
        params: runParameters,
        response: { ...lookupErrors },
      },
    },
    async (request, reply) => {
      const { html, ready } = await reports.page(await find(request.params.id));
      return reply
        .code(ready ? 200 : 202)
        .header('content-security-policy', REPORT_POLICY)
        .type('text/html; charset=utf-8')
        .send(html as never);
    },
  );
}
