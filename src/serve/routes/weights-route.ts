/** `GET /v1/model/weights` */
import { hidePathsIn } from '../../core/hide-paths.ts';
import type { SafetensorsPieces } from '../../weights/formats/safetensors/writer.ts';
import { deferredTensors, modelPieces } from '../../weights/model/model.ts';
import { weightsQuery } from '../contract/model-schemas.ts';
import type { ServedModel } from '../models/served-model.ts';
import type { Context } from '../request-context.ts';
import { lookupErrors, type Routes } from '../route-types.ts';

export function weightsRoute(app: Routes, { models, downloads }: Context): void {
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
      return downloads.send(reply, model.name, () => weightsFile(model));
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
