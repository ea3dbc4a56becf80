import { UserError } from '../../core/errors.ts';
import { describe, type Model } from './model.ts';

/** A model and what messages call it. */
export interface NamedModel {
  readonly path: string;
  readonly model: Model;
}

/**
 * The mean of the weights of several models of one network, which is a good model where they went the same way
 * for most of their training. What else there is to know is the first one's.
 * @throws UserError naming the model whose network is not the first one's.
 */
export function meanModel([first, ...others]: readonly [NamedModel, ...NamedModel[]]): Model {
  const tensors = new Map(
    [...first.model.tensors].map(([name, tensor]) => [name, Float64Array.from(tensor)]),
  );
  for (const { path, model } of others) {
    for (const [name, sum] of tensors) {
      const tensor = model.tensors.get(name);
      if (tensor?.length !== sum.length || model.tensors.size !== tensors.size) {
        throw new UserError(
          `${path} has ${describe(model.network)}, ${first.path} ${describe(first.model.network)}: a mean needs models of one network`,
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
