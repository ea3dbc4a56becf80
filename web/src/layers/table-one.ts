/** A network's layers as the paper's Table 1 has them. */
import type { LayerInfo, ModelInfo } from '../../../src/serve/contract/model.ts';

/** ReLU and dropout stand behind nearly every layer; like Table 1 the page leaves them out. */
const DRAWN: readonly LayerInfo['kind'][] = ['convolution', 'maxPool', 'lrn'];

export function drawnLayers({ layers }: ModelInfo): LayerInfo[] {
  return layers.filter(({ kind }) => DRAWN.includes(kind));
}

/** As Table 1 writes it: conv3-64, FC-4096. */
export function paperName({ kind, name, kernel, outputShape: [channels] }: LayerInfo): string {
  if (kind === 'maxPool') return 'maxpool';
  if (kind === 'lrn') return 'LRN';
  return name.startsWith('fc') ? `FC-${channels}` : `conv${kernel}-${channels}`;
}
