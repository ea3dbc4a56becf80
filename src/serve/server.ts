/** `vgg serve` as a Fastify instance that does not listen yet. */
import cors from '@fastify/cors';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { defaultConcurrency } from '../core/concurrency.ts';
import { RunList } from '../runs/run-list.ts';
import { AdmissionControl } from './admission.ts';
import type { Limits } from './contract/model-schemas.ts';
import { DemoImages } from './demo-images.ts';
import { handleErrors } from './error-handler.ts';
import { ImageDecoder } from './image-decoder.ts';
import { ModelDownloads } from './model-downloads.ts';
import { MOST_KNOWN } from './models/known-images.ts';
import { type BatchingOptions, type NamedModel, ServedModel } from './models/served-model.ts';
import type { OpenModel } from './models/served-models.ts';
import { ServedModels } from './models/served-models.ts';
import { describeInterface } from './openapi.ts';
import { servePage } from './page.ts';
import { ServerMetrics } from './prometheus.ts';
import type { Context } from './request-context.ts';
import { noSuchAddress, shuttingDown } from './request-errors.ts';
import { commonErrors, type Routes } from './route-types.ts';
import { activationRoutes } from './routes/activation-routes.ts';
import { explanationRoutes } from './routes/explanation-routes.ts';
import { knownImageRoutes } from './routes/known-image-routes.ts';
import { mapRoutes } from './routes/map-routes.ts';
import { modelRoutes } from './routes/model-routes.ts';
import { healthRoutes, operationRoutes } from './routes/operation-routes.ts';
import { predictRoute } from './routes/predict-route.ts';
import { runRoutes } from './routes/run-routes.ts';
import { weightsRoute } from './routes/weights-route.ts';
import type { RunPages } from './runs/run-reports.ts';
import { checkHost, checkOrigin, secureHeaders, TokenAuth } from './security.ts';
import { acceptImages } from './uploads.ts';

/** Timeouts of connections, in milliseconds. */
interface Timeouts {
  /** Until a request has arrived completely (default 30,000). */
  readonly request: number;
  /** Until a request's headers have arrived (default 10,000). */
  readonly headers: number;
  /** Between two requests of a connection (default 10,000). */
  readonly keepAlive: number;
  /** While no byte is sent in either direction (default 120,000). */
  readonly silence: number;
}

const defaultTimeouts: Timeouts = { request: 30_000, headers: 10_000, keepAlive: 10_000, silence: 120_000 };

export const defaultLimits: Limits = {
  imageBytes: 20 * 2 ** 20,
  pixels: 50_000_000,
  rescaledPixels: 2 ** 21,
  images: 32,
};

export interface ServerOptions {
  readonly models: readonly NamedModel[];
  /** Localization models, which add boxes to the answers of models with the same classes and crop (default: none). */
  readonly localizers?: readonly NamedModel[];
  /** Folder of run folders to show (default: none). */
  readonly runs?: string;
  readonly pages: RunPages;
  /** Loads a model of a run while the server runs (default: the server keeps to the models that it started with). */
  readonly openModel?: OpenModel;
  /** Folder of the built page. */
  readonly page: string;
  /** Address that requests are sent to (default 127.0.0.1). */
  readonly host?: string;
  /** Whether clients may download the models' weights (default true). */
  readonly weights?: boolean;
  /** Folder of labeled images; the page offers some of them to try training with (default: none). */
  readonly demoData?: string;
  /** Token that clients must send (default: none is needed). */
  readonly token?: string;
  /** Other origins whose pages may use the server (default: none). */
  readonly cors?: readonly string[];
  /** Limits of a request (default: images of 20 MiB and 50 million pixels, 2²¹ pixels when rescaled, 32 images). */
  readonly limits?: Partial<Limits>;
  /** Maximum number of images × scales in the queue; more are answered with 503 (default 256). */
  readonly queue?: number;
  /** Maximum bytes of request bodies in memory (default 512 MiB). */
  readonly bodyBytes?: number;
  /** Maximum number of connections (default 1024). */
  readonly connections?: number;
  readonly timeouts?: Partial<Timeouts>;
  /** How images are batched (default: up to 64 images, which wait for others for at most 3 ms). */
  readonly batching?: BatchingOptions;
  /** Called with a message for each bug and each report that could not be made. */
  readonly log: (message: string) => void;
}

export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const limits = withDefaults(defaultLimits, options.limits);
  const timeouts = withDefaults(defaultTimeouts, options.timeouts);
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
    // Addresses with invalid escapes or names that are too long.
    frameworkErrors: (_error, _request, reply) => {
      const { status, body } = noSuchAddress();
      void (reply as unknown as FastifyReply).code(status).send(body);
    },
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

/** An option that is undefined has its default, like one that is absent. */
function withDefaults<T extends object>(defaults: T, options: Partial<T> = {}): T {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

function makeContext(options: ServerOptions, limits: Limits, closing: AbortSignal): Context {
  const admission = new AdmissionControl({
    slots: options.queue ?? 256,
    bytes: options.bodyBytes ?? 512 * 2 ** 20,
  });
  const metrics = new ServerMetrics({ slots: () => admission.slots, waiting: () => models.waiting });
  const onBatch = (model: string, images: number, seconds: number) => {
    metrics.batchImages.observe({ model }, images);
    metrics.batchSeconds.observe({ model }, seconds);
  };
  const serve = (model: NamedModel) =>
    new ServedModel(model, options.batching, onBatch, (run) =>
      options.pages.validationImages(run, MOST_KNOWN),
    );
  const models = new ServedModels(options.models, serve, options.openModel, options.localizers);
  const servesWeights = options.weights ?? true;
  return {
    models,
    runs: options.runs === undefined ? undefined : new RunList(options.runs),
    pages: options.pages,
    limits,
    servesWeights,
    downloads: new ModelDownloads(servesWeights),
    demoImages: options.demoData === undefined ? undefined : new DemoImages(options.demoData),
    admission,
    decoder: new ImageDecoder(limits, defaultConcurrency),
    metrics,
    closing,
  };
}

/** When the server closes, it answers the requests it has accepted, refuses new ones, then cuts all connections. */
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
    // Browsers keep connections open on which they have not sent a request yet.
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
    throw shuttingDown();
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
  const auth = options.token === undefined ? undefined : new TokenAuth(options.token);
  healthRoutes(app as unknown as Routes, context);
  await app.register(async (open) => {
    (open as unknown as Routes).post(
      '/v1/session',
      {
        schema: {
          summary: 'Exchange the token for a cookie, since pages cannot send the token with every request.',
          response: { 204: z.null(), ...commonErrors },
        },
      },
      async (request, reply) => {
        await auth?.setCookie(request, reply);
        return reply.code(204).send(null);
      },
    );
    await servePage(open, options.page);
  });
  await app.register(async (closed) => {
    if (auth) closed.addHook('onRequest', auth.check);
    const routes = closed as unknown as Routes;
    modelRoutes(routes, context);
    weightsRoute(routes, context);
    predictRoute(routes, context);
    mapRoutes(routes, context);
    explanationRoutes(routes, context);
    knownImageRoutes(routes, context);
    activationRoutes(routes, context);
    runRoutes(routes, context, options.log);
    operationRoutes(routes, context);
  });
}
