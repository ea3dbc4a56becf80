/** A served model as a file of our own format, for whoever runs it elsewhere: a visitor's browser. */

import type { SafetensorsPieces } from '../../weights/formats/safetensors/writer.ts';
import { deferredTensors, modelPieces } from '../../weights/model/model.ts';
import { withoutPlaces } from './describe.ts';
import type { ServedModel } from './served-model.ts';

/**
 * Made of the weights that answer requests, one tensor at a time, and not of the file that they came from: that may
 * be of another format, and tells where it was made.
 */
export function weightsFile(model: ServedModel): SafetensorsPieces {
  const { name, facts } = model;
  const tensors = deferredTensors(facts.network, (tensor) => model.parameter(tensor));
  return modelPieces(name, { ...facts, provenance: withoutPlaces(facts.provenance) }, tensors);
}
