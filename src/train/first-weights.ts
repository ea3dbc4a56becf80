import { UserError } from '../core/errors.ts';
import { inputDeviation } from '../data/training/color-shift.ts';
import { drawTensors } from '../net/draw-tensors.ts';
import type { Initialization } from '../net/initialization.ts';
import type { Network } from '../net/network.ts';
import { meanModel, type NamedModel } from '../weights/model/mean-model.ts';
import type { Model } from '../weights/model/model.ts';
import { readModel } from '../weights/model/read-model.ts';
import { type Transfer, transferAll, transferFromShallower } from '../weights/model/transfer.ts';
import { frozenNames } from './layer-rates.ts';
import type { Recipe } from './recipe.ts';
import type { TrainingSession } from './session.ts';

interface FirstWeightsOptions extends Pick<TrainingSession, 'network' | 'recipe' | 'set' | 'listener'> {
  /** Aborted when the weights are not needed any more. */
  readonly signal?: AbortSignal;
  /** The model that training starts from, if it has been read. */
  readonly start?: Model;
}

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
  start: given,
  signal,
}: FirstWeightsOptions): Promise<Map<string, Float32Array>> {
  const initialization: Initialization = {
    method: recipe.init,
    std: recipe['init-std'],
    inputStd: inputDeviation(set.axes),
    seed: recipe.seed,
  };
  const { classes } = set.training;
  const start = given ?? (await readStart(recipe));
  const transfer = start && transferOf(start, network, recipe, classes);
  const unknown = frozenNames(recipe, network).filter((layer) =>
    transfer?.replaced.includes(`${layer}.weight`),
  );
  if (unknown.length > 0) {
    throw new UserError(
      `freeze names ${unknown.join(', ')}, but ${recipe.from} has no such weights for this network, so they are new and must be trained; leave them out of freeze`,
    );
  }
  if (transfer && transfer.replaced.length > 0) {
    const source = recipe.from ?? recipe['from-shallower'];
    listener?.onNote?.(
      `layers from ${source}: ${layersOf(transfer.kept)}; newly initialized: ${layersOf(transfer.replaced)}${reasonOf(start!, network)}`,
    );
  }
  const names = network.parameters.map(({ name }) => name).filter((name) => !transfer?.tensors.has(name));
  const drawn = await drawTensors(network, initialization, { names, signal });
  return new Map(
    network.parameters.map(({ name }) => [name, (transfer?.tensors.get(name) ?? drawn.get(name))!]),
  );
}

/** Why the last layer is new although the model has as many classes; empty otherwise. */
function reasonOf(model: Model, network: Network): string {
  if (model.network.boxes !== network.boxes) return ', because it predicts boxes';
  return model.network.classes === network.classes ? ', because the classes have other names' : '';
}

/**
 * Reads the model that training starts from, the mean of several if `from` lists several.
 * @returns undefined if it starts from random weights
 * @throws UserError when a model cannot be read.
 */
export async function readStart(recipe: Recipe): Promise<Model | undefined> {
  const convention = recipe['from-convention'];
  const featuresOnly = recipe['from-features-only'];
  const allowBoxes = recipe.task === 'localize';
  if (recipe.from !== undefined) {
    const [first, ...others] = recipe.from.split(',');
    const read = async (path: string): Promise<NamedModel> => ({
      path,
      model: await readModel(path, { convention, featuresOnly, allowFeatures: true, allowBoxes }),
    });
    const models: [NamedModel, ...NamedModel[]] = [await read(first!)];
    for (const path of others) models.push(await read(path));
    return models.length > 1 ? meanModel(models) : models[0].model;
  }
  const shallower = recipe['from-shallower'];
  return shallower === undefined ? undefined : readModel(shallower, { convention });
}

function transferOf(start: Model, network: Network, recipe: Recipe, classes: readonly string[]): Transfer {
  const transfer = recipe.from === undefined ? transferFromShallower : transferAll;
  return transfer(start, network, classes);
}

/**
 * A recipe with how images are prepared, where it does not say: a net that starts from all layers of another keeps that
 * one's preparation, since its first layer expects it; others have the paper's.
 */
export function withPreparation(recipe: Recipe, start: Model | undefined): Recipe {
  const from = recipe.from === undefined ? undefined : start;
  return {
    ...recipe,
    mean: recipe.mean ?? from?.meanRgb.join(',') ?? 'dataset',
    'color-profiles': recipe['color-profiles'] ?? from?.colorProfiles ?? 'ignore',
  };
}

function layersOf(parameters: readonly string[]): string {
  return [...new Set(parameters.map((name) => name.slice(0, name.lastIndexOf('.'))))].join(', ');
}
