import type { Layer } from '../../../core/layer.ts';
import { isFullyConnected } from '../../export/layers.ts';

/** ReLU and dropout work in place, as Caffe's own descriptions have it. */
export function topOf({ kind, name }: Layer, bottom: string): string {
  return kind === 'relu' || kind === 'dropout' ? bottom : name;
}

/** Caffe's names for our layers. */
export function caffeType(layer: Layer): string {
  switch (layer.kind) {
    case 'convolution':
      return isFullyConnected(layer) ? 'InnerProduct' : 'Convolution';
    case 'relu':
      return 'ReLU';
    case 'maxPool':
      return 'Pooling';
    case 'lrn':
      return 'LRN';
    case 'dropout':
      return 'Dropout';
  }
}
