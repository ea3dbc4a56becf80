/** The description of a model in `GET /v1/model`. */

import { hidePathsIn } from '../../core/hide-paths.ts';
import type { Layer } from '../../core/layer.ts';
import { featureLayerNames } from '../../evaluate/features/feature-layers.ts';
import { scalesFor } from '../../evaluate/protocol/test-scales.ts';
import { layerCosts } from '../../net/cost.ts';
import type { LayerInfo, ModelInfo } from '../contract/model-schemas.ts';
import type { ServedModel } from './served-model.ts';

export function describeModel({ name, facts, checksum, run }: ServedModel): ModelInfo {
  const { network, labels, meanRgb, trainScale, provenance, license } = facts;
  const layers = describeLayers(network.layers, facts);
  const sum = (key: 'parameters' | 'multiplyAdds') => layers.reduce((total, layer) => total + layer[key], 0);
  return {
    name,
    config: network.configuration,
    width: network.width,
    classes: network.classes,
    labels: [...labels],
    weightLayers: network.weightLayers,
    crop: network.crop,
    trainedScale: trainScale && { ...trainScale },
    defaultScale: scalesFor(facts, undefined, name)[0]!,
    autoScales: trainScale ? scalesFor(facts, 'auto', name) : [],
    meanRgb: [...meanRgb],
    pooling: network.pooling,
    parameters: sum('parameters'),
    multiplyAdds: sum('multiplyAdds'),
    checksum,
    hasCard: run !== undefined,
    license,
    layers,
    training: Object.keys(provenance).length > 0 ? hidePathsIn(provenance) : undefined,
  };
}

function describeLayers(layers: readonly Layer[], { network }: ServedModel['facts']): LayerInfo[] {
  const named = featureLayerNames(network);
  return layerCosts(network).map((cost, i) => {
    const [, channels, height, width] = cost.outputShape;
    return {
      name: cost.name,
      kind: cost.kind,
      ...windowOf(layers[i]!),
      outputShape: [channels, height, width],
      parameters: cost.parameters,
      multiplyAdds: cost.multiplyAdds,
      receptiveField: cost.receptiveField.side,
      effectiveStride: cost.receptiveField.stride,
      activations: named.includes(cost.name),
    };
  });
}

function windowOf(layer: Layer): Pick<LayerInfo, 'kernel' | 'stride' | 'padding'> {
  switch (layer.kind) {
    case 'convolution':
      return { kernel: layer.kernel, stride: 1, padding: layer.padding };
    case 'maxPool':
      return { kernel: 2, stride: 2, padding: 0 };
    default:
      return {};
  }
}
