import { buildNetwork, type Network } from '../net/network.ts';
import type { Recipe } from './recipe.ts';

/** The network that a recipe trains. @throws UsageError for options that make none. */
export function networkOf(recipe: Recipe, classes: number): Network {
  return buildNetwork({
    configuration: recipe.config,
    classes,
    crop: recipe.crop,
    width: recipe.width,
    pooling: recipe.pooling,
    dropout: recipe.dropout,
  });
}
