/** Draws Tables 1 and 2 of the paper for any networks, and one network layer by layer. */
import type { Layer } from '../core/layer.ts';
import { formatShape } from '../core/shape.ts';
import { type LayerCost, layerCosts } from '../net/cost.ts';
import { fullyConnectedLayers, type Network, parameterCount } from '../net/network.ts';
import { formatBillions, formatCount, formatMillions } from './format.ts';
import { type Cell, formatTable } from './table.ts';

/** A network in the output of `vgg configs --json`. Costs are for one image at the crop. */
export interface NetworkSummary {
  readonly name: string;
  readonly weightLayers: number;
  readonly parameters: number;
  /** Multiply-adds of one forward pass. */
  readonly multiplyAdds: number;
  readonly layers: readonly LayerCost[];
}

export function summarizeNetwork(network: Network): NetworkSummary {
  const layers = layerCosts(network);
  return {
    name: network.configuration,
    weightLayers: network.weightLayers,
    parameters: parameterCount(network),
    multiplyAdds: layers.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0),
    layers,
  };
}

/** Table 1: one column per network and one row per block, then the layers that all have in common. */
export function formatTable1(networks: readonly Network[]): string {
  const columns = networks.map(blocksOf);
  const across = (content: string): Cell[] => [{ content, columns: networks.length }];
  const first = networks[0]!;
  const rows: Cell[][] = [across(`input (${first.crop}×${first.crop} RGB image)`)];
  for (let block = 0; block < columns[0]!.length; block++) {
    rows.push(columns.map((blocks) => blocks[block]!.join('\n')));
    rows.push(across('maxpool'));
  }
  const pooling = first.layers.find(({ kind }) => kind === 'adaptivePool');
  if (pooling) rows.push(across(describeLayer(pooling)));
  for (const { outChannels } of fullyConnectedLayers(first)) rows.push(across(`FC-${outChannels}`));
  rows.push(across('soft-max'));
  return formatTable(rows, {
    head: networks.map(({ configuration, weightLayers }) => `${configuration}\n${weightLayers} layers`),
    grid: true,
  });
}

/** Table 2: parameters of each network in millions, and the multiply-adds of a forward pass in billions. */
export function formatTable2(networks: readonly Network[]): string {
  const summaries = networks.map(summarizeNetwork);
  const row = (label: string, value: (summary: NetworkSummary) => string): string[] => [
    label,
    ...summaries.map(value),
  ];
  return formatTable(
    [
      row('parameters, 10⁶', ({ parameters }) => formatMillions(parameters)),
      row('multiply-adds, 10⁹', ({ multiplyAdds }) => formatBillions(multiplyAdds)),
    ],
    {
      head: row('network', ({ name }) => name),
      align: ['left', ...summaries.map(() => 'right' as const)],
      grid: true,
    },
  );
}

/** One network, one row per layer. */
export function formatLayers(network: Network): string {
  const { layers, parameters, multiplyAdds } = summarizeNetwork(network);
  const { frozenLayers = 0 } = network;
  const rows = network.layers.map((layer, index) => {
    const cost = layers[index]!;
    return [
      cost.name,
      describeLayer(layer),
      formatShape(cost.outputShape.slice(1)),
      cost.parameters > 0 ? formatCount(cost.parameters) : '',
      cost.multiplyAdds > 0 ? formatCount(cost.multiplyAdds) : '',
      `${cost.receptiveField.side}`,
      `${cost.receptiveField.stride}`,
      ...(frozenLayers > 0 ? [index < frozenLayers ? 'frozen' : 'trained'] : []),
    ];
  });
  rows.push(['total', '', '', formatCount(parameters), formatCount(multiplyAdds), '', '']);
  if (frozenLayers > 0) rows.at(-1)!.push('');
  return formatTable(rows, {
    head: [
      'layer',
      'kind',
      'output\nC×H×W',
      'parameters',
      'multiply-adds',
      'receptive\nfield, px',
      'stride,\npx',
      ...(frozenLayers > 0 ? ['in training'] : []),
    ],
    align: ['left', 'left', 'right', 'right', 'right', 'right', 'right'],
  });
}

/** Blocks in the paper's notation, from the layers themselves, since channels depend on the width. */
function blocksOf(network: Network): string[][] {
  const blocks: string[][] = [[]];
  for (const layer of network.layers) {
    if (layer.kind === 'maxPool') blocks.push([]);
    else if (layer.kind === 'lrn') blocks.at(-1)!.push('LRN');
    else if (layer.kind === 'convolution') blocks.at(-1)!.push(`conv${layer.kernel}-${layer.outChannels}`);
  }
  return blocks.slice(0, -1);
}

function describeLayer(layer: Layer): string {
  switch (layer.kind) {
    case 'convolution':
      return `${layer.kernel}×${layer.kernel} convolution`;
    case 'relu':
      return 'ReLU';
    case 'maxPool':
      return '2×2 max pooling';
    case 'adaptivePool':
      return layer.side === 1
        ? `global ${layer.method} pooling`
        : `average pooling to ${layer.side}×${layer.side}`;
    case 'lrn':
      return 'LRN';
    case 'dropout':
      return `dropout ${layer.rate}`;
  }
}
