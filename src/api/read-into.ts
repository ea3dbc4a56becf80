import type { Backend, Parameters } from '../kernels/backend.ts';
import { moveIntoParameters } from '../kernels/canonical-parameters.ts';
import type { Network } from '../net/network.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { type ReadModelOptions, readModel } from '../weights/model/read-model.ts';

/**
 * Reads a model's weights straight into a backend's memory where that is the process's own: there is no room for two.
 * @param specsFor which of the network's parameters are wanted; the others are read and dropped
 * @throws UserError as `readModel` does, and what `specsFor` throws.
 */
export async function readInto(
  backend: Backend,
  path: string,
  options: ReadModelOptions = {},
  specsFor: (network: Network) => Parameters['specs'] = (network) => network.parameters,
): Promise<{ readonly facts: ModelFacts; readonly parameters: Parameters }> {
  let parameters: Parameters | undefined;
  try {
    const { tensors, ...facts } = await readModel(path, {
      ...options,
      placesFor: (network) => {
        const specs = specsFor(network);
        const names = new Set(specs.map(({ name }) => name));
        const made = backend.createParameters(specs, { training: false });
        parameters = made;
        return (name) => (names.has(name) ? made.place(name) : undefined);
      },
    });
    await moveIntoParameters(parameters!, new Map(tensors));
    return { facts, parameters: parameters! };
  } catch (error) {
    parameters?.dispose();
    throw error;
  }
}
