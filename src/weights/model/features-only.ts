import { parameterSpecs } from '../../core/layer.ts';
import type { Network } from '../../net/network.ts';

/** A network's convolutions alone, up to the last pooling: what is left where nobody kept the classifier. It has 0 classes. */
export function featuresOnly(network: Network): Network {
  const last = network.layers.findLastIndex(({ kind }) => kind === 'maxPool');
  const layers = network.layers.slice(0, last + 1);
  return {
    ...network,
    classes: 0,
    layers,
    parameters: parameterSpecs(layers),
    weightLayers: layers.filter(({ kind }) => kind === 'convolution').length,
  };
}

/** Whether a network is what `featuresOnly` makes. */
export function hasFeaturesOnly(network: Network): boolean {
  return network.classes === 0;
}
