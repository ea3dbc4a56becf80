/**
 * Writes an ONNX model (opset 17) for any batch size: for images of the crop's size, or fully convolutional for images
 * of any size, which returns a map of scores. https://onnx.ai/onnx/operators/
 */
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { UserError } from '../../../core/errors.ts';
import type { ConvolutionLayer, Layer, LrnLayer, MaxPoolLayer } from '../../../core/layer.ts';
import { version } from '../../../core/project.ts';
import type { Shape } from '../../../core/shape.ts';
import { Message } from '../../containers/protobuf/message-writer.ts';
import {
  checkGlobal,
  type ExportedModel,
  isFullyConnected,
  type WriteOptions,
  weightAndBias,
  weightLayers,
} from '../../export/exported-model.ts';
import { describePreprocessing } from '../../import/preprocessing.ts';
import { bytesOf } from '../../tensors/element-types.ts';

/** The file format's version at the time of opset 17. */
const IR_VERSION = 8;
const OPSET = 17;
const FLOAT = 1;
/** protobuf's limit for one message. */
const MAX_BYTES = 2 ** 31 - 1;

/** @throws UserError when the file cannot be written, or would be larger than the format allows. */
export async function writeOnnx(
  path: string,
  exported: ExportedModel,
  { fullyConvolutional = false }: WriteOptions,
): Promise<readonly string[]> {
  checkGlobal(exported.model.network, 'ONNX has');
  const model = new Message()
    .int(1, IR_VERSION)
    .text(2, 'verydeep')
    .text(3, version)
    .text(6, `Takes ${describePreprocessing(exported.preprocessing)}, x from 0 to 255; gives logits.`)
    .message(7, graphOf(exported, fullyConvolutional))
    .message(8, new Message().text(1, '').int(2, OPSET));
  for (const [key, value] of Object.entries(exported.metadata)) {
    model.message(14, new Message().text(1, key).text(2, value));
  }
  if (model.size > MAX_BYTES) {
    throw new UserError(
      `${path} could not be written: it would have ${model.size} bytes, and ONNX allows ${MAX_BYTES}; write .safetensors`,
    );
  }
  await writeFileAtomically(path, model.pieces);
  return [path];
}

function graphOf({ model: { network }, tensors }: ExportedModel, fullyConvolutional: boolean): Message {
  const graph = new Message();
  const hasClassifier = network.classes > 0;
  const flat = hasClassifier && !fullyConvolutional;
  const output = hasClassifier ? 'logits' : 'pool5';
  const layers = network.layers.filter(({ kind }) => kind !== 'dropout');
  let current = 'image';
  for (const [index, layer] of layers.entries()) {
    if (flat && layer.name === 'fc6') {
      graph.message(1, node('Flatten', 'flatten', [current], 'flat', [intAttribute('axis', 1)]));
      current = 'flat';
    }
    const next = index === layers.length - 1 ? output : layer.name;
    graph.message(1, nodeOf(layer, current, next, flat));
    current = next;
  }
  graph.text(2, `VGG-${network.configuration}`);
  for (const layer of weightLayers(network)) {
    const { weight, bias } = weightAndBias(layer, tensors, flat && isFullyConnected(layer));
    graph.message(5, tensor(`${layer.name}.weight`, weight));
    graph.message(5, tensor(`${layer.name}.bias`, bias));
  }
  const side = fullyConvolutional ? ['height', 'width'] : [network.crop, network.crop];
  graph.message(11, valueInfo('image', ['batch', 3, ...side]));
  const map = fullyConvolutional
    ? network.headPool
      ? [1, 1]
      : ['rows', 'columns']
    : hasClassifier
      ? []
      : [network.crop / 32, network.crop / 32];
  graph.message(
    12,
    valueInfo(output, ['batch', hasClassifier ? network.classes : lastChannels(network.layers), ...map]),
  );
  return graph;
}

function lastChannels(layers: readonly Layer[]): number {
  return layers.findLast((layer) => layer.kind === 'convolution')!.outChannels;
}

function nodeOf(layer: Layer, input: string, output: string, flat: boolean): Message {
  switch (layer.kind) {
    case 'convolution':
      return convolution(layer, input, output, flat);
    case 'maxPool':
      return maxPool(layer, input, output);
    case 'adaptivePool':
      return node(
        layer.method === 'max' ? 'GlobalMaxPool' : 'GlobalAveragePool',
        layer.name,
        [input],
        output,
      );
    case 'lrn':
      return localResponse(layer, input, output);
    default:
      return node('Relu', layer.name, [input], output);
  }
}

function convolution(layer: ConvolutionLayer, input: string, output: string, flat: boolean): Message {
  const { name, kernel, padding } = layer;
  const inputs = [input, `${name}.weight`, `${name}.bias`];
  if (flat && isFullyConnected(layer)) return node('Gemm', name, inputs, output, [intAttribute('transB', 1)]);
  return node('Conv', name, inputs, output, [
    intsAttribute('kernel_shape', [kernel, kernel]),
    intsAttribute('pads', [padding, padding, padding, padding]),
    intsAttribute('strides', [1, 1]),
  ]);
}

function maxPool({ name, rounding }: MaxPoolLayer, input: string, output: string): Message {
  return node('MaxPool', name, [input], output, [
    intsAttribute('kernel_shape', [2, 2]),
    intsAttribute('strides', [2, 2]),
    intAttribute('ceil_mode', rounding === 'ceil' ? 1 : 0),
  ]);
}

/** ONNX divides alpha by the size. */
function localResponse({ name, size, k, alpha, beta }: LrnLayer, input: string, output: string): Message {
  return node('LRN', name, [input], output, [
    intAttribute('size', size),
    floatAttribute('alpha', alpha * size),
    floatAttribute('beta', beta),
    floatAttribute('bias', k),
  ]);
}

function node(
  op: string,
  name: string,
  inputs: readonly string[],
  output: string,
  attributes: readonly Message[] = [],
): Message {
  const message = new Message();
  for (const input of inputs) message.text(1, input);
  message.text(2, output).text(3, `${name}/${op}`).text(4, op);
  for (const attribute of attributes) message.message(5, attribute);
  return message;
}

/** AttributeProto.AttributeType */
const TYPE_FLOAT = 1;
const TYPE_INT = 2;
const TYPE_INTS = 7;

function intAttribute(name: string, value: number): Message {
  return new Message().text(1, name).int(3, value).int(20, TYPE_INT);
}

function floatAttribute(name: string, value: number): Message {
  return new Message().text(1, name).float(2, value).int(20, TYPE_FLOAT);
}

function intsAttribute(name: string, values: readonly number[]): Message {
  return new Message().text(1, name).ints(8, values).int(20, TYPE_INTS);
}

function tensor(
  name: string,
  { shape, data }: { readonly shape: Shape; readonly data: Float32Array },
): Message {
  return new Message().ints(1, shape).int(2, FLOAT).text(8, name).bytes(9, bytesOf(data));
}

/** @param dimensions sizes, or the names of variable dimensions */
function valueInfo(name: string, dimensions: readonly (number | string)[]): Message {
  const shape = new Message();
  for (const dimension of dimensions) {
    const message = new Message();
    shape.message(1, typeof dimension === 'number' ? message.int(1, dimension) : message.text(2, dimension));
  }
  const type = new Message().message(1, new Message().int(1, FLOAT).message(2, shape));
  return new Message().text(1, name).message(2, type);
}
