/** `GET /v1/model/weights` */
import { Readable } from 'node:stream';
import { hidePathsIn } from '../../core/hide-paths.ts';
import type { SafetensorsPieces } from '../../weights/formats/safetensors/writer.ts';
import { deferredTensors, modelPieces } from '../../weights/model/model.ts';
import { weightsQuery } from '../contract/model-schemas.ts';
import type { ServedModel } from '../models/served-model.ts';
import type { Context } from '../request-context.ts';
import { RequestError } from '../request-errors.ts';
import { lookupErrors, type Routes } from '../route-types.ts';

/** Concurrent downloads: each takes the memory of the model's largest tensor. */
const MAX_DOWNLOADS = 4;
/** Bytes that are buffered for a client before the next tensor is read. */
const BUFFER_BYTES = 2 ** 20;

export function weightsRoute(app: Routes, { models, servesWeights }: Context): void {
  let downloads = 0;
  app.get(
    '/v1/model/weights',
    {
      // A HEAD request would read the whole model and send none of it.
      exposeHeadRoute: false,
      schema: {
        summary: 'Download a model, for instance to run it in the browser.',
        querystring: weightsQuery,
        response: { ...lookupErrors },
      },
    },
    async (request, reply) => {
      const model = models.find(request.query.model);
      if (!servesWeights) {
        throw new RequestError('forbidden', 'This server does not send weights (--no-weights).');
      }
      if (downloads >= MAX_DOWNLOADS) {
        throw new RequestError('busy', 'Too many downloads at the moment; try again later.', {
          retryAfter: 10,
        });
      }
      const { bytes, pieces } = weightsFile(model);
      downloads++;
      reply.raw.once('close', () => downloads--);
      const file = `${encodeURIComponent(model.name)}.safetensors`;
      return reply
        .type('application/octet-stream')
        .header('content-length', bytes)
        .header('content-disposition', `attachment; filename*=UTF-8''${file}`)
        .send(Readable.from(pieces, { objectMode: false, highWaterMark: BUFFER_BYTES }) as never);
    },
  );
}

/**
 * A model file made from the weights in memory, one tensor at a time. The original file may have another format, and
 * its metadata may name folders of this machine.
 */
function weightsFile(model: ServedModel): SafetensorsPieces {
  const { name, facts } = model;
  const tensors = deferredTensors(facts.network, (tensor) => model.parameter(tensor));
  return modelPieces(name, { ...facts, provenance: hidePathsIn(facts.provenance) }, tensors);
}
