import { UserError } from '../../core/errors.ts';
import { formatHeadPool } from '../../net/classifier.ts';
import { describe, type Model } from './model.ts';

/** A model and its name in messages. */
export interface NamedModel {
  readonly path: string;
  readonly model: Model;
}

/**
 * The mean of the weights of several models of one network, which is a good model if they share most of their
 * training. All other facts are those of the first model.
 * @throws UserError naming the model whose network differs from the first one's.
 */
export function meanModel([first, ...others]: readonly [NamedModel, ...NamedModel[]]): Model {
  const tensors = new Map(
    [...first.model.tensors].map(([name, tensor]) => [name, Float64Array.from(tensor)]),
  );
  for (const { path, model } of others) {
    const samePool = formatHeadPool(model.network.headPool) === formatHeadPool(first.model.network.headPool);
    for (const [name, sum] of tensors) {
      const tensor = model.tensors.get(name);
      if (!samePool || tensor?.length !== sum.length || model.tensors.size !== tensors.size) {
        throw new UserError(
          `${path} has ${describe(model.network)}, but ${first.path} has ${describe(first.model.network)}; average models of one network only`,
        );
      }
      tensor.forEach((value, i) => {
        sum[i]! += value;
      });
    }
  }
  const count = others.length + 1;
  return {
    ...first.model,
    tensors: new Map(
      [...tensors].map(([name, sum]) => [name, Float32Array.from(sum, (value) => value / count)]),
    ),
  };
}
