/** Reads ONNX's ModelProto and GraphProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { elementCount } from '../../../core/shape.ts';
import { type MessageFields, MessageReader } from '../../containers/protobuf/message-reader.ts';
import { isInteger } from '../../tensors/element-types.ts';
import type { ByteRange, SourceTensor } from '../../tensors/source-tensor.ts';
import type { WeightContent } from '../weight-content.ts';
import {
  type Attribute,
  type OnnxInput,
  type OnnxModel,
  type OnnxNode,
  onnxNetwork,
} from './onnx-network.ts';
import { ExternalFiles, readEntries, readTensorProto } from './tensor.ts';

/** Reads a model without its tensors' values. @throws UserError when the file does not hold an ONNX model. */
export async function openOnnx(file: RandomAccessFile): Promise<WeightContent> {
  const files = new ExternalFiles(file.path);
  try {
    const model = await readModel(new MessageReader(file, 'ONNX'), files);
    return {
      description: model.producer ? `ONNX, made by ${model.producer}` : 'ONNX',
      tensors: [...model.tensors.values()],
      metadata: model.metadata,
      network: () => onnxNetwork(file.path, model),
      externalBytes: await files.totalSize(),
      close: () => files.close(),
    };
  } catch (error) {
    await files.close();
    throw error;
  }
}

interface Model extends OnnxModel {
  readonly metadata: Readonly<Record<string, string>>;
}

async function readModel(reader: MessageReader, files: ExternalFiles): Promise<Model> {
  const model = await reader.message(reader.whole);
  const graph = model.bytes(7).at(-1);
  if (!graph) throw reader.broken('it has no graph');
  return {
    producer: await model.text(2),
    metadata: Object.fromEntries(await readEntries(reader, model.bytes(14))),
    ...(await readGraph(reader, await reader.message(graph), files)),
  };
}

async function readGraph(reader: MessageReader, graph: MessageFields, files: ExternalFiles) {
  const tensors = new Map<string, SourceTensor>();
  for (const range of graph.bytes(5)) {
    const tensor = await readTensorProto(reader, range, files);
    if (tensors.has(tensor.name)) throw reader.broken(`it has two tensors named ${tensor.name}`);
    tensors.set(tensor.name, tensor);
  }
  const nodes: OnnxNode[] = [];
  for (const range of graph.bytes(1)) nodes.push(await readNode(reader, range, files));
  for (const { op, attributes, outputs } of nodes) {
    const value = attributes.get('value')?.tensor;
    if (op === 'Constant' && value && outputs[0]) tensors.set(outputs[0], { ...value, name: outputs[0] });
  }
  const inputs: OnnxInput[] = [];
  for (const range of graph.bytes(11)) inputs.push(await readInput(reader, range));
  return {
    nodes,
    tensors,
    integers: await smallIntegers(tensors),
    inputs: inputs.filter(({ name }) => !tensors.has(name)),
  };
}

/** ValueInfoProto: a name, and the shape of a tensor's type. */
async function readInput(reader: MessageReader, range: ByteRange): Promise<OnnxInput> {
  const input = await reader.message(range);
  const inside = async (fields: MessageFields | undefined, number: number) => {
    const inner = fields?.bytes(number).at(-1);
    return inner && (await reader.message(inner));
  };
  const shape = await inside(await inside(await inside(input, 2), 1), 2);
  const extents: (number | undefined)[] = [];
  for (const dimension of shape?.bytes(1) ?? []) extents.push(await (await reader.message(dimension)).int(1));
  return { name: await input.text(1), shape: extents };
}

/** No list of axes or zero point is longer. */
const FEW = 16;

async function smallIntegers(tensors: ReadonlyMap<string, SourceTensor>): Promise<Map<string, number[]>> {
  const integers = new Map<string, number[]>();
  for (const [name, tensor] of tensors) {
    if (!isInteger(tensor.type) || elementCount(tensor.shape) > FEW) continue;
    const values: number[] = [];
    await tensor.read((part) => {
      values.push(...part);
    });
    integers.set(name, values);
  }
  return integers;
}

async function readNode(reader: MessageReader, range: ByteRange, files: ExternalFiles): Promise<OnnxNode> {
  const node = await reader.message(range);
  const attributes = new Map<string, Attribute>();
  for (const field of node.bytes(5)) {
    const attribute = await reader.message(field);
    const tensor = attribute.bytes(5).at(-1);
    const ints = await attribute.ints(8);
    attributes.set(await attribute.text(1), {
      float: await attribute.float(2),
      int: await attribute.int(3),
      text: (await attribute.texts(4)).at(-1),
      tensor: tensor && (await readTensorProto(reader, tensor, files)),
      ints: ints.length > 0 ? ints : undefined,
    });
  }
  const [inputs, outputs] = [await node.texts(1), await node.texts(2)];
  return { inputs, outputs, name: await node.text(3), op: await node.text(4), attributes };
}
