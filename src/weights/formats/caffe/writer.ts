/** Writes a .caffemodel and the .prototxt that describes its network to Caffe. */
import { extname } from 'node:path';
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import type { Layer } from '../../../core/layer.ts';
import { Message } from '../../containers/protobuf/message-writer.ts';
import {
  checkGlobal,
  type ExportedModel,
  isFullyConnected,
  weightAndBias,
} from '../../export/exported-model.ts';
import { describePreprocessing } from '../../import/preprocessing.ts';
import { bytesOf } from '../../tensors/element-types.ts';
import { METADATA_FIELD } from './reader.ts';

/** @returns both files. @throws UserError when a file cannot be written. */
export async function writeCaffe(path: string, exported: ExportedModel): Promise<readonly string[]> {
  const { network } = exported.model;
  checkGlobal(network, 'Caffe has');
  const net = new Message().text(1, `VGG-${network.configuration}`);
  let bottom = 'data';
  for (const layer of network.layers) {
    net.message(100, layerMessage(layer, bottom, exported.tensors));
    bottom = topOf(layer, bottom);
  }
  net.text(METADATA_FIELD, JSON.stringify(exported.metadata));
  await writeFileAtomically(path, net.pieces);
  const description = `${path.slice(0, path.length - extname(path).length)}.prototxt`;
  await writeFileAtomically(description, prototxt(exported));
  return [path, description];
}

function layerMessage(layer: Layer, bottom: string, tensors: ExportedModel['tensors']): Message {
  const message = new Message()
    .text(1, layer.name)
    .text(2, caffeType(layer))
    .text(3, bottom)
    .text(4, topOf(layer, bottom));
  switch (layer.kind) {
    case 'convolution': {
      const { outChannels, kernel, padding } = layer;
      const full = isFullyConnected(layer);
      const { weight, bias } = weightAndBias(layer, tensors, full);
      message.message(7, blob(weight)).message(7, blob(bias));
      return full
        ? message.message(117, new Message().int(1, outChannels))
        : message.message(106, new Message().int(1, outChannels).int(3, padding).int(4, kernel));
    }
    case 'maxPool': {
      const pooling = new Message().int(1, 0).int(2, 2).int(3, 2);
      // Caffe rounds up by default; round_mode exists since 2018.
      return message.message(121, layer.rounding === 'ceil' ? pooling : pooling.int(13, 1));
    }
    case 'adaptivePool':
      return message.message(121, new Message().int(1, layer.method === 'max' ? 0 : 1).int(12, 1));
    case 'lrn': {
      // Caffe divides alpha by the size.
      const { size, alpha, beta, k } = layer;
      return message.message(
        118,
        new Message()
          .int(1, size)
          .float(2, alpha * size)
          .float(3, beta)
          .float(5, k),
      );
    }
    case 'dropout':
      return message.message(108, new Message().float(1, layer.rate));
    default:
      return message;
  }
}

/** BlobProto: a shape, then its values packed. */
function blob({ shape, data }: { readonly shape: readonly number[]; readonly data: Float32Array }): Message {
  return new Message().message(7, new Message().ints(1, shape, true)).bytes(5, bytesOf(data));
}

/** Lists ReLU and dropout as in-place layers, as in Caffe's own descriptions. */
function topOf({ kind, name }: Layer, bottom: string): string {
  return kind === 'relu' || kind === 'dropout' ? bottom : name;
}

/** Caffe's names of our layers. */
function caffeType(layer: Layer): string {
  switch (layer.kind) {
    case 'convolution':
      return isFullyConnected(layer) ? 'InnerProduct' : 'Convolution';
    case 'relu':
      return 'ReLU';
    case 'maxPool':
    case 'adaptivePool':
      return 'Pooling';
    case 'lrn':
      return 'LRN';
    case 'dropout':
      return 'Dropout';
  }
}

/** The network in Caffe's text format, for images of the crop's size. */
function prototxt({ model: { network }, preprocessing }: ExportedModel): string {
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
    case 'adaptivePool':
      return [`  pooling_param { pool: ${layer.method === 'max' ? 'MAX' : 'AVE'} global_pooling: true }`];
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
