import type { LayerInfo, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { count, short } from '../ui/display-values.ts';

/** Like Table 1, the page omits ReLU and dropout, which follow nearly every layer. */
const DRAWN: readonly LayerInfo['kind'][] = ['convolution', 'maxPool', 'adaptivePool', 'lrn'];

/** What the table shows of a model. */
export type TabledModel = Pick<ModelInfo, 'config' | 'crop'> & { readonly layers: readonly TabledLayer[] };
export type TabledLayer = Omit<LayerInfo, 'multiplyAdds' | 'effectiveStride'>;

export function drawnLayers<L extends TabledLayer>({ layers }: { readonly layers: readonly L[] }): L[] {
  return layers.filter(({ kind }) => DRAWN.includes(kind));
}

/** A layer's name in Table 1: conv3-64, FC-4096. */
export function paperName({ kind, name, kernel, outputShape: [channels] }: TabledLayer): string {
  if (kind === 'maxPool') return 'maxpool';
  if (kind === 'adaptivePool') return 'global pool';
  if (kind === 'lrn') return 'LRN';
  return name.startsWith('fc') ? `FC-${channels}` : `conv${kernel}-${channels}`;
}

interface LayerTableProps {
  readonly model: TabledModel;
  /** Name of the selected layer (default: none). */
  readonly selected?: string;
  /** Called with a layer that was chosen; only those with `activations` can be. */
  readonly onSelect?: (layer: string) => void;
}

export function LayerTable({ model, selected, onSelect }: LayerTableProps) {
  const layers = drawnLayers(model);
  const mostChannels = Math.max(...layers.map(({ outputShape: [channels] }) => channels));
  return (
    <table class="network">
      <caption class="visually-hidden">
        Layers of network {model.config} from image to classes: output shapes for a crop of {model.crop}{' '}
        pixels, parameters and receptive fields
      </caption>
      <thead>
        <tr>
          <th scope="col">Layer</th>
          <th scope="col" class="wide-only">
            <span class="visually-hidden">Drawing of the output size</span>
          </th>
          <th scope="col">Output</th>
          <th scope="col">Parameters</th>
          <th scope="col" title="Side of the input region that one output value depends on">
            Receptive field (px)
          </th>
        </tr>
      </thead>
      {stagesOf(layers).map((stage) => (
        <tbody key={stage[0]!.name}>
          {stage.map((layer) => (
            <tr key={layer.name} class={`${layer.kind}${layer.name === selected ? ' selected' : ''}`}>
              <th scope="row">
                {layer.activations ? (
                  <button
                    type="button"
                    class="layer"
                    aria-pressed={layer.name === selected}
                    aria-controls="activations"
                    onClick={() => onSelect?.(layer.name)}
                  >
                    <span class="layer-name">{layer.name}</span>{' '}
                    <span class="layer-kind">{paperName(layer)}</span>
                  </button>
                ) : (
                  <>
                    {layer.kind === 'convolution' && <span class="layer-name">{layer.name}</span>}{' '}
                    <span class="layer-kind">{paperName(layer)}</span>
                  </>
                )}
              </th>
              <td class="wide-only">
                <Volume layer={layer} crop={model.crop} mostChannels={mostChannels} />
              </td>
              <td>{layer.outputShape.join(' × ')}</td>
              <td title={count(layer.parameters)}>
                {layer.parameters === 0 ? '–' : short(layer.parameters)}
              </td>
              <td>{layer.receptiveField}</td>
            </tr>
          ))}
        </tbody>
      ))}
    </table>
  );
}

/** Groups the layers as in Table 1: up to and including each pooling, then the classifier. */
function stagesOf(layers: readonly TabledLayer[]): TabledLayer[][] {
  const stages: TabledLayer[][] = [[]];
  for (const layer of layers) {
    stages.at(-1)!.push(layer);
    if (layer.kind === 'maxPool') stages.push([]);
  }
  return stages.filter((stage) => stage.length > 0);
}

const LONGEST = 72;
const TALLEST = 26;

/** Draws the output's size: the height stands for its side and the width for its channels, both as square roots. */
function Volume({
  layer,
  crop,
  mostChannels,
}: {
  readonly layer: TabledLayer;
  readonly crop: number;
  readonly mostChannels: number;
}) {
  const [channels, height] = layer.outputShape;
  const [wide, high] = [LONGEST * Math.sqrt(channels / mostChannels), TALLEST * Math.sqrt(height / crop)];
  return (
    <svg class="volume" width={LONGEST} height={TALLEST} aria-hidden="true">
      <rect x="0" y={(TALLEST - high) / 2} width={Math.max(2, wide)} height={Math.max(2, high)} rx="2" />
    </svg>
  );
}
