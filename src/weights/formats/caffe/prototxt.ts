import type { Layer } from '../../../core/layer.ts';
import type { ExportedModel } from '../../export/exported.ts';
import { isFullyConnected } from '../../export/layers.ts';
import { describePreprocessing } from '../../import/preprocessing.ts';
import { caffeType, topOf } from './caffe-layers.ts';

/** The network as Caffe's text format describes it, for images of the crop. */
export function prototxt({ model: { network }, preprocessing }: ExportedModel): string {
  const blocks: string[] = [];
  let bottom = 'data';
  for (const layer of network.layers) {
    const top = topOf(layer, bottom);
    blocks.push(
      [
        'layer {',
        `  name: "${layer.name}"`,
        `  type: "${caffeType(layer)}"`,
        `  bottom: "${bottom}"`,
        `  top: "${top}"`,
        ...parametersOf(layer),
        '}',
      ].join('\n'),
    );
    bottom = top;
  }
  const { configuration, crop } = network;
  return [
    `# Takes ${describePreprocessing(preprocessing)}, x from 0 to 255; gives logits.`,
    `name: "VGG-${configuration}"`,
    `layer {\n  name: "data"\n  type: "Input"\n  top: "data"\n  input_param { shape { dim: 1 dim: 3 dim: ${crop} dim: ${crop} } }\n}`,
    ...blocks,
    '',
  ].join('\n');
}

function parametersOf(layer: Layer): string[] {
  switch (layer.kind) {
    case 'convolution':
      return isFullyConnected(layer)
        ? [`  inner_product_param { num_output: ${layer.outChannels} }`]
        : [
            `  convolution_param { num_output: ${layer.outChannels} pad: ${layer.padding} kernel_size: ${layer.kernel} }`,
          ];
    case 'maxPool': {
      const rounding = layer.rounding === 'ceil' ? '' : ' round_mode: FLOOR';
      return [`  pooling_param { pool: MAX kernel_size: 2 stride: 2${rounding} }`];
    }
    case 'lrn':
      return [
        `  lrn_param { local_size: ${layer.size} alpha: ${layer.alpha * layer.size} beta: ${layer.beta} k: ${layer.k} }`,
      ];
    case 'dropout':
      return [`  dropout_param { dropout_ratio: ${layer.rate} }`];
    default:
      return [];
  }
}
