/** What every route uses. */
import { setMaxListeners } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RunList } from '../runs/run-list.ts';
import type { AdmissionControl, Permit } from './admission.ts';
import type { Limits } from './contract/model-schemas.ts';
import type { DemoImages } from './demo-images.ts';
import type { ImageDecoder } from './image-decoder.ts';
import type { ServedModels } from './models/served-models.ts';
import type { ServerMetrics } from './prometheus.ts';
import { ClientDisconnected } from './request-errors.ts';
import type { RunPages } from './runs/run-reports.ts';

export interface Context {
  readonly models: ServedModels;
  readonly runs: RunList | undefined;
  readonly pages: RunPages;
  readonly limits: Limits;
  /** Whether clients may download the models' weights. */
  readonly servesWeights: boolean;
  readonly demoImages: DemoImages | undefined;
  readonly admission: AdmissionControl;
  readonly decoder: ImageDecoder;
  readonly metrics: ServerMetrics;
  /** Aborted when the server begins to shut down: streams end then. */
  readonly closing: AbortSignal;
}

/** A request for work on images while it is handled. */
export interface ActiveRequest {
  readonly permit: Permit;
  /** Aborted when the client disconnects, or the request has failed. */
  readonly signal: AbortSignal;
}

/** Handles a request; abandons the rest of its work when the client disconnects or one part of it fails. */
export async function handleImages<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  { metrics }: Context,
  handle: (active: ActiveRequest) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  // Each of hundreds of crops listens.
  setMaxListeners(0, controller.signal);
  const onClose = () => {
    if (reply.raw.writableFinished) return;
    metrics.disconnected.inc();
    controller.abort(new ClientDisconnected('the client has disconnected'));
  };
  reply.raw.once('close', onClose);
  try {
    return await handle({ permit: request.permit!, signal: controller.signal });
  } catch (error) {
    reply.raw.off('close', onClose);
    controller.abort(error);
    throw error;
  }
}
