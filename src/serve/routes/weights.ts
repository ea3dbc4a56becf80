import { Readable } from 'node:stream';
import type { Context } from '../context.ts';
import { weightsQuery } from '../contract/model.ts';
import { RequestError } from '../errors.ts';
import { weightsFile } from '../models/weights-file.ts';
import { lookupErrors, type Routes } from '../typed.ts';

/** Models that are given out at a time: each takes the memory of its largest tensor. */
const MOST_DOWNLOADS = 4;
/** Bytes that wait for a client before the next tensor is read. */
const AHEAD = 2 ** 20;

/** `GET /v1/model/weights` */
export function weightsRoute(app: Routes, { models, givesWeights }: Context): void {
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
      if (!givesWeights) {
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
