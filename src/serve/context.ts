/** What every route works with. */
import { setMaxListeners } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AdmissionControl, Permit } from './admission.ts';
import type { Limits } from './contract/model.ts';
import type { DemoImages } from './demo-images.ts';
import { ClientDisconnected } from './errors.ts';
import type { Metrics } from './prometheus.ts';
import type { ServedModels } from './models/served-models.ts';
import type { ImageDecoder } from './image-decoder.ts';
import type { RunPages } from './runs/reports.ts';
import type { RunsFolder } from './runs/runs-folder.ts';

export interface Context {
  readonly models: ServedModels;
  readonly runs: RunsFolder | undefined;
  readonly pages: RunPages;
  readonly limits: Limits;
  /** Whether clients may have the models' weights. */
  readonly servesWeights: boolean;
  readonly demoImages: DemoImages | undefined;
  readonly admission: AdmissionControl;
  readonly pictures: ImageDecoder;
  readonly metrics: Metrics;
  /** Aborted when the server begins to shut down: what has no end of its own ends now. */
  readonly closing: AbortSignal;
}

/** What a request for work on images holds. */
export interface Work {
  readonly permit: Permit;
  /** Aborted when the client leaves, or the request has failed. */
  readonly signal: AbortSignal;
}

/**
 * Does a request's work. Whatever of it is still to be done is given up when the client leaves or a part of it
 * fails.
 */
export async function working<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  { metrics }: Context,
  work: (work: Work) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  // Each of hundreds of crops listens.
  setMaxListeners(0, controller.signal);
  const leave = () => {
    if (reply.raw.writableFinished) return;
    metrics.left.inc();
    controller.abort(new ClientDisconnected('the client has left'));
  };
  reply.raw.once('close', leave);
  try {
    return await work({ permit: request.permit!, signal: controller.signal });
  } catch (error) {
    reply.raw.off('close', leave);
    controller.abort(error);
    throw error;
  }
}
