/** `vgg serve` as a Fastify instance, which listens to nothing yet. */
import cors from '@fastify/cors';
import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { defaultConcurrency } from '../core/concurrency.ts';
import { AdmissionControl } from './admission.ts';
import type { Context } from './context.ts';
import type { Limits } from './contract/model.ts';
import { DemoImages } from './demo-images.ts';
import { RequestError } from './errors.ts';
import { handleErrors } from './error-handler.ts';
import { Metrics } from './prometheus.ts';
import { type BatchSettings, type ModelParts, ServedModel } from './models/served-model.ts';
import { ServedModels } from './models/served-models.ts';
import { describeInterface } from './openapi.ts';
import { servePage } from './page.ts';
import { ImageDecoder } from './image-decoder.ts';
import { activationRoutes } from './routes/activations.ts';
import { demoImagesRoute } from './routes/model.ts';
import { mapRoutes } from './routes/maps.ts';
import { modelRoutes } from './routes/model.ts';
import { healthRoutes, operationRoutes } from './routes/operations.ts';
import { predictRoute } from './routes/predict.ts';
import { runRoutes } from './routes/runs.ts';
import { weightsRoute } from './routes/weights.ts';
import type { RunPages } from './runs/reports.ts';
import { RunsFolder } from './runs/runs-folder.ts';
import { TokenAuth, checkHost, checkOrigin, secureHeaders } from './security.ts';
import { commonErrors, type Routes } from './route-types.ts';
import { acceptImages } from './uploads.ts';

/** How long clients may take, in milliseconds. */
export interface Timeouts {
  /** For a request to arrive whole. */
  readonly request: number;
  /** For its headers. */
  readonly headers: number;
  /** Between two requests of a connection. */
  readonly keepAlive: number;
  /** Without a byte in either direction. */
  readonly silence: number;
}

export const defaultTimeouts: Timeouts = {
  request: 30_000,
  headers: 10_000,
  keepAlive: 10_000,
  silence: 120_000,
};

export const defaultLimits: Limits = {
  imageBytes: 20 * 2 ** 20,
  pixels: 50_000_000,
  rescaledPixels: 2 ** 21,
  images: 32,
};

export interface ServerOptions {
  readonly models: readonly ModelParts[];
  /** Folder of run folders. */
  readonly runs?: string;
  readonly pages: RunPages;
  /** Folder of the built page. */
  readonly page: string;
  /** What requests are made to (default 127.0.0.1). */
  readonly host?: string;
  /** Whether whoever may ask gets the models' weights too (default true). */
  readonly weights?: boolean;
  /** Labelled images, of which visitors get some to train on. */
  readonly demoData?: string;
  /** What clients must know; undefined: nothing. */
  readonly token?: string;
  /** Origins whose pages may use the server. */
  readonly cors?: readonly string[];
  readonly limits?: Partial<Limits>;
  /** Images times scales that are taken on at a time (default 256). */
  readonly queue?: number;
  /** Bytes of bodies that are held (default 512 MiB). */
  readonly bodyBytes?: number;
  readonly connections?: number;
  readonly timeouts?: Partial<Timeouts>;
  readonly batching?: Omit<BatchSettings, 'onBatch'>;
  /** Hears of bugs and of reports that could not be made. */
  readonly log: (message: string) => void;
}

export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const limits = { ...defaultLimits, ...options.limits };
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const closing = new AbortController();
  const context = makeContext(options, limits, closing.signal);
  const app = Fastify({
    bodyLimit: limits.imageBytes,
    requestTimeout: timeouts.request,
    connectionTimeout: timeouts.silence,
    keepAliveTimeout: timeouts.keepAlive,
    http: {
      headersTimeout: timeouts.headers,
      connectionsCheckingInterval: Math.min(1000, timeouts.headers / 2),
    },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength: 255 },
  });
  app.server.maxConnections = options.connections ?? 1024;
  app.server.on('drop', () => context.metrics.droppedConnections.inc());
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  finishBeforeClosing(app, closing);
  handleErrors(app, { limits, metrics: context.metrics, log: options.log });
  await acceptImages(app, limits);
  await addHooks(app, options, context);
  app.addHook('onClose', async () => context.models.close());
  await describeInterface(app, options.token !== undefined);
  await addRoutes(app, options, context);
  return app;
}

function makeContext(options: ServerOptions, limits: Limits, closing: AbortSignal): Context {
  const admission = new AdmissionControl({
    places: options.queue ?? 256,
    bytes: options.bodyBytes ?? 512 * 2 ** 20,
  });
  const metrics = new Metrics({ places: () => admission.places, waiting: () => models.waiting });
  const onBatch = (model: string, images: number, seconds: number) => {
    metrics.batchImages.observe({ model }, images);
    metrics.batchSeconds.observe({ model }, seconds);
  };
  const models = new ServedModels(
    options.models.map((parts) => new ServedModel(parts, { ...options.batching, onBatch })),
  );
  return {
    models,
    runs: options.runs === undefined ? undefined : new RunsFolder(options.runs),
    pages: options.pages,
    limits,
    servesWeights: options.weights ?? true,
    demoImages: options.demoData === undefined ? undefined : new DemoImages(options.demoData),
    admission,
    pictures: new ImageDecoder(limits, defaultConcurrency),
    metrics,
    closing,
  };
}

/** What was accepted is answered, what comes meanwhile refused, and then no connection is waited for. */
function finishBeforeClosing(app: FastifyInstance, closing: AbortController): void {
  let active = 0;
  let onIdle = () => {};
  app.addHook('onRequest', async (_, reply) => {
    active++;
    reply.raw.once('close', () => {
      active--;
      if (active === 0) onIdle();
    });
  });
  app.addHook('preClose', async () => {
    closing.abort();
    if (active > 0) {
      await new Promise<void>((resolve) => {
        onIdle = resolve;
      });
    }
    // Browsers keep connections on which they have asked for nothing yet.
    app.server.closeAllConnections();
  });
}

async function addHooks(app: FastifyInstance, options: ServerOptions, context: Context): Promise<void> {
  const origins = options.cors ?? [];
  app.decorateRequest('permit', undefined);
  app.addHook('onRequest', secureHeaders);
  app.addHook('onRequest', async (_, reply) => {
    if (!context.closing.aborted) return;
    reply.header('connection', 'close');
    throw new RequestError('busy', 'The server is being shut down.', { retryAfter: 5 });
  });
  if (options.token === undefined) app.addHook('onRequest', checkHost(options.host ?? 'localhost'));
  if (origins.length > 0) {
    await app.register(cors, {
      origin: [...origins],
      methods: ['GET', 'POST'],
      allowedHeaders: ['authorization', 'content-type', 'last-event-id'],
    });
  }
  app.addHook('onRequest', checkOrigin(origins));
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const labels = { method: request.method, route, status: reply.statusCode };
    context.metrics.requests.observe(labels, reply.elapsedTime / 1000);
  });
}

async function addRoutes(app: FastifyInstance, options: ServerOptions, context: Context): Promise<void> {
  const gate = options.token === undefined ? undefined : new TokenAuth(options.token);
  healthRoutes(app as unknown as Routes, context);
  await app.register(async (open) => {
    (open as unknown as Routes).post(
      '/v1/session',
      {
        schema: {
          summary: 'A cookie for pages, which cannot send the token with every request.',
          response: { 204: z.null(), ...commonErrors },
        },
      },
      async (request, reply) => {
        await gate?.open(request, reply);
        return reply.code(204).send(null);
      },
    );
    await servePage(open, options.page);
  });
  await app.register(async (closed) => {
    if (gate) closed.addHook('onRequest', gate.check);
    const routes = closed as unknown as Routes;
    modelRoutes(routes, context);
    weightsRoute(routes, context);
    demoImagesRoute(routes, context);
    predictRoute(routes, context);
    mapRoutes(routes, context);
    activationRoutes(routes, context);
    runRoutes(routes, context, options.log);
    operationRoutes(routes, context);
  });
}
