import { inputDeviation } from '../data/training/color-shift.ts';
import { type Initialization, initializeTensor } from '../net/initialization.ts';
import type { Network } from '../net/network.ts';
import { meanModel, type NamedModel } from '../weights/model/mean-model.ts';
import { readModel } from '../weights/model/read-model.ts';
import { type Transfer, transferAll, transferFromShallower } from '../weights/model/transfer.ts';
import type { Recipe } from './recipe.ts';
import type { TrainingSession } from './session.ts';

/**
 * The weights that training starts from: random, or those of another model (`from`, `from-shallower`) and random ones
 * where it has none.
 * @throws UserError when the model cannot be read or does not fit the network.
 */
export async function firstWeights({
  network,
  recipe,
  set,
  listener,
}: Pick<TrainingSession, 'network' | 'recipe' | 'set' | 'listener'>): Promise<Map<string, Float32Array>> {
  const initialization: Initialization = {
    method: recipe.init,
    std: recipe['init-std'],
    inputStd: inputDeviation(set.axes),
    seed: recipe.seed,
  };
  const transfer = await transferOf(network, recipe);
  if (transfer && transfer.replaced.length > 0) {
    const source = recipe.from ?? recipe['from-shallower'];
    listener?.onNote?.(
      `layers from ${source}: ${layersOf(transfer.kept)}; newly initialized: ${layersOf(transfer.replaced)}`,
    );
  }
  return new Map(
    network.parameters.map(({ name }) => [
      name,
      transfer?.tensors.get(name) ?? initializeTensor(network, name, initialization),
    ]),
  );
}

async function transferOf(network: Network, recipe: Recipe): Promise<Transfer | undefined> {
  const convention = recipe['from-convention'];
  if (recipe.from !== undefined) {
    const [first, ...others] = recipe.from.split(',');
    const read = async (path: string): Promise<NamedModel> => ({
      path,
      model: await readModel(path, { convention, allowFeatures: true }),
    });
    const models: [NamedModel, ...NamedModel[]] = [await read(first!)];
    for (const path of others) models.push(await read(path));
    return transferAll(models.length > 1 ? meanModel(models) : models[0].model, network);
  }
  const shallower = recipe['from-shallower'];
  if (shallower !== undefined) {
    return transferFromShallower(await readModel(shallower, { convention }), network);
  }
  return undefined;
}

function layersOf(parameters: readonly string[]): string {
  return [...new Set(parameters.map((name) => name.slice(0, name.lastIndexOf('.'))))].join(', ');
}
