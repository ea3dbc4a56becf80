import { Readable } from 'node:stream';
import type { Context } from '../context.ts';
import { weightsQuery } from '../contract/model.ts';
import { RequestError } from '../errors.ts';
import { weightsFile } from './weights.ts';
import { lookupErrors, type Routes } from '../route-types.ts';

/** Models that are given out at a time: each takes the memory of its largest tensor. */
const MOST_DOWNLOADS = 4;
/** Bytes that wait for a client before the next tensor is read. */
const AHEAD = 2 ** 20;

/** `GET /v1/model/weights` */
export function weightsRoute(app: Routes, { models, servesWeights }: Context): void {
  let downloads = 0;
  app.get(
    '/v1/model/weights',
    {
      // It would read all of a model to send none of it.
      exposeHeadRoute: false,
      schema: {
        summary: 'A model as a file, to be run elsewhere: the page runs it on its visitor’s GPU.',
        querystring: weightsQuery,
        response: { ...lookupErrors },
      },
    },
    async (request, reply) => {
      const model = models.find(request.query.model);
      if (!servesWeights) {
        throw new RequestError('forbidden', 'This server does not give its models out (--no-weights).');
      }
      if (downloads >= MOST_DOWNLOADS) {
        throw new RequestError('busy', 'Others are fetching models just now; try again later.', {
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
        .send(Readable.from(pieces, { objectMode: false, highWaterMark: AHEAD }) as never);
    },
  );
}

//// MERGED src/serve/models/weights-file.ts
/** A served model as a file of our own format, for whoever runs it elsewhere: a visitor's browser. */

import type { SafetensorsPieces } from '../../weights/formats/safetensors/pieces.ts';
import { deferredTensors, modelPieces } from '../../weights/model/model.ts';
import { withoutPaths } from '../models/describe.ts';
import type { ServedModel } from '../models/served-model.ts';

/**
 * Made of the weights that answer requests, one tensor at a time, and not of the file that they came from: that may
 * be of another format, and tells where it was made.
 */
export function weightsFile(model: ServedModel): SafetensorsPieces {
  const { name, facts } = model;
  const tensors = deferredTensors(facts.network, (tensor) => model.parameter(tensor));
  return modelPieces(name, { ...facts, provenance: withoutPaths(facts.provenance) }, tensors);
}
