/** The learning rates of single layers: frozen ones (`freeze`), and factors (`lr-scale`). Beyond the paper. */
import { UserError } from '../core/errors.ts';
import { selectLayers } from '../net/frozen-layers.ts';
import type { Network } from '../net/network.ts';

/** Keys of a recipe. */
interface LayerSettings {
  readonly freeze?: string;
  readonly 'lr-scale'?: string;
}

const FACTOR = /^\d+(\.\d+)?(e[+-]?\d+)?$/i;

/** `fc8=10,features=0.1` as pairs. @returns undefined for other text, or a factor that is not above 0 */
export function parseRateFactors(text: string): [layers: string, factor: number][] | undefined {
  const pairs = text.split(',').map((part): [string, number] => {
    const [layers = '', factor = '', ...more] = part.split('=').map((side) => side.trim());
    return [layers, layers !== '' && more.length === 0 && FACTOR.test(factor) ? Number(factor) : 0];
  });
  return pairs.every(([, factor]) => factor > 0 && factor < Infinity) ? pairs : undefined;
}

/** Names of the frozen layers. @throws UsageError for unknown layers */
export function frozenNames({ freeze }: LayerSettings, network: Network): readonly string[] {
  return freeze === undefined ? [] : selectLayers(network, freeze, 'freeze');
}

/**
 * A factor on the learning rate for each of the network's tensors, 0 for frozen ones.
 * @throws UserError when a layer has two factors, or is frozen and has one.
 */
export function tensorRates(recipe: LayerSettings, network: Network): number[] {
  const rates = new Map(frozenNames(recipe, network).map((name) => [name, 0]));
  const factors = recipe['lr-scale'];
  for (const [layers, factor] of (factors && parseRateFactors(factors)) || []) {
    for (const name of selectLayers(network, layers, 'lr-scale')) {
      const earlier = rates.get(name);
      if (earlier !== undefined) {
        const both = earlier === 0 ? 'is frozen, so lr-scale cannot change its rate' : 'is in lr-scale twice';
        throw new UserError(`${name} ${both}; name each layer once`);
      }
      rates.set(name, factor);
    }
  }
  return network.parameters.map(({ name }) => rates.get(name.slice(0, name.lastIndexOf('.'))) ?? 1);
}
