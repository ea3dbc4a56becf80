import { Readable } from 'node:stream';
import type { FoundRun } from '../../runs/runs-folder.ts';
import type { Context } from '../context.ts';
import {
  eventsQuery,
  metricsQuery,
  metricsResponse,
  runParameters,
  runResponse,
  runsResponse,
  tablesResponse,
} from '../contract/runs.ts';
import { RequestError } from '../errors.ts';
import { commonErrors, lookupErrors, type Routes } from '../route-types.ts';
import { runEvents } from '../runs/events.ts';
import { Reports } from '../runs/reports.ts';
import { describeRun, summarizeRuns } from '../runs/run-summary.ts';
import { REPORT_POLICY } from '../security.ts';

/** Streams of events that are open at a time. */
const MOST_STREAMS = 100;

/** `GET /v1/runs…` */
export function runRoutes(app: Routes, context: Context, log: (message: string) => void): void {
  const { runs, pages, metrics, closing } = context;
  const reports = new Reports(pages, closing, log);

  const find = async (id: string): Promise<FoundRun> => {
    if (!runs) throw new RequestError('not_found', 'This server shows no runs; start it with --runs.');
    const found = await runs.find(id);
    if (found) return found;
    throw new RequestError('not_found', 'There is no run of that name.');
  };

  app.get(
    '/v1/runs',
    {
      schema: {
        summary: 'The training runs of the folder.',
        response: { 200: runsResponse, ...commonErrors },
      },
    },
    async () => ({ runs: runs ? await summarizeRuns(runs) : [] }),
  );

  app.get(
    '/v1/runs/:id',
    {
      schema: {
        summary: 'A run, its recipe and how it ended.',
        params: runParameters,
        response: { 200: runResponse, ...lookupErrors },
      },
    },
    async (request) => {
      const run = await find(request.params.id);
      return describeRun(runs!, run);
    },
  );

  app.get(
    '/v1/runs/:id/metrics',
    {
      schema: {
        summary: 'Loss, errors and rate so far.',
        params: runParameters,
        querystring: metricsQuery,
        response: { 200: metricsResponse, ...lookupErrors },
      },
    },
    async (request) => {
      const file = runs!.metrics(await find(request.params.id));
      await file.update();
      return { lines: file.lines.slice(request.query.from), next: file.lines.length };
    },
  );

  app.get(
    '/v1/runs/:id/tables',
    {
      schema: {
        summary: 'Results of a run as tables.',
        params: runParameters,
        response: { 200: tablesResponse, ...lookupErrors },
      },
    },
    async (request) => ({ tables: await pages.tables((await find(request.params.id)).folder.path) }),
  );

  app.get(
    '/v1/runs/:id/events',
    {
      schema: {
        summary: 'Metrics and state as they change: server-sent events.',
        description:
          'Events are `metrics`, `state` and `rewind`; Last-Event-ID or `from` say where to go on.',
        params: runParameters,
        querystring: eventsQuery,
        response: { ...lookupErrors },
      },
    },
    async (request, reply) => {
      const run = await find(request.params.id);
      if ((await metrics.eventStreams.get()).values[0]!.value >= MOST_STREAMS) {
        throw new RequestError('busy', 'As many streams are open as the server keeps; try again later.', {
          retryAfter: 10,
        });
      }
      const left = new AbortController();
      metrics.eventStreams.inc();
      reply.raw.once('close', () => {
        metrics.eventStreams.dec();
        left.abort();
      });
      const last = request.headers['last-event-id'];
      const from = /^\d{1,9}$/.test(String(last)) ? Number(last) : request.query.from;
      const events = runEvents(runs!, run, from, AbortSignal.any([left.signal, closing]));
      return reply
        .header('cache-control', 'no-store')
        .type('text/event-stream')
        .send(Readable.from(events) as never);
    },
  );

  app.get(
    '/v1/runs/:id/report',
    {
      schema: {
        summary: 'The report of a run as an HTML page; 202 while it is being made.',
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
