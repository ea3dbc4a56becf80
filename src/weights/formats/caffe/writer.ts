/** Writes a .caffemodel and the .prototxt that describes its network to Caffe. */
import { extname } from 'node:path';
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import type { Layer } from '../../../core/layer.ts';
import { Message } from '../../containers/protobuf/message.ts';
import type { ExportedModel } from '../../export/exported.ts';
import { bytesOf, isFullyConnected, matrixShape } from '../../export/layers.ts';
import { caffeType, topOf } from './caffe-layers.ts';
import { METADATA_FIELD } from './layers.ts';
import { prototxt } from './prototxt.ts';

/** @returns both files. @throws UserError when one cannot be written. */
export async function writeCaffe(path: string, exported: ExportedModel): Promise<readonly string[]> {
  const { network } = exported.model;
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
      const { name, outChannels, inChannels, kernel, padding } = layer;
      const full = isFullyConnected(layer);
      const shape = full ? matrixShape(layer) : [outChannels, inChannels, kernel, kernel];
      message.message(7, blob(shape, tensors.get(`${name}.weight`)!));
      message.message(7, blob([outChannels], tensors.get(`${name}.bias`)!));
      return full
        ? message.message(117, new Message().int(1, outChannels))
        : message.message(106, new Message().int(1, outChannels).int(3, padding).int(4, kernel));
    }
    case 'maxPool': {
      const pooling = new Message().int(1, 0).int(2, 2).int(3, 2);
      // Caffe rounds up unless told otherwise, which it can be since 2018.
      return message.message(121, layer.rounding === 'ceil' ? pooling : pooling.int(13, 1));
    }
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
function blob(shape: readonly number[], data: Float32Array): Message {
  return new Message().message(7, new Message().ints(1, shape, true)).bytes(5, bytesOf(data));
}
