/** Reads ONNX's ModelProto and GraphProto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { MessageReader } from '../../containers/protobuf/message-reader.ts';
import type { ByteRange, SourceTensor } from '../../tensors/source-tensor.ts';
import type { WeightContent } from '../weight-content.ts';
import { type Attribute, type OnnxModel, type OnnxNode, onnxNetwork } from './network.ts';
import { ExternalFiles, readEntry, readTensorProto } from './tensor.ts';

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
  const metadata: Record<string, string> = {};
  let producer = '';
  let graph: ByteRange | undefined;
  for (const field of await reader.fields(reader.whole)) {
    if (field.number === 2 && field.wireType === 2) producer = await reader.text(field);
    if (field.number === 7 && field.wireType === 2) graph = field;
    if (field.number === 14 && field.wireType === 2) {
      const { key, value } = await readEntry(reader, field);
      metadata[key] = value;
    }
  }
  if (!graph) throw reader.broken('it has no graph');
  return { producer, metadata, ...(await readGraph(reader, graph, files)) };
}

async function readGraph(reader: MessageReader, range: ByteRange, files: ExternalFiles) {
  const nodes: OnnxNode[] = [];
  const tensors = new Map<string, SourceTensor>();
  const inputs: string[] = [];
  for (const field of await reader.fields(range)) {
    if (field.wireType !== 2) continue;
    if (field.number === 1) nodes.push(await readNode(reader, field, files));
    if (field.number === 5) {
      const tensor = await readTensorProto(reader, field, files);
      if (tensors.has(tensor.name)) throw reader.broken(`it has two tensors named ${tensor.name}`);
      tensors.set(tensor.name, tensor);
    }
    if (field.number === 11) inputs.push(await readName(reader, field));
  }
  for (const { op, attributes, outputs } of nodes) {
    const value = attributes.get('value')?.tensor;
    if (op === 'Constant' && value && outputs[0]) tensors.set(outputs[0], { ...value, name: outputs[0] });
  }
  return { nodes, tensors, inputs: inputs.filter((name) => !tensors.has(name)) };
}

/** ValueInfoProto's name. */
async function readName(reader: MessageReader, range: ByteRange): Promise<string> {
  const field = (await reader.fields(range)).find(({ number, wireType }) => number === 1 && wireType === 2);
  return field ? reader.text(field) : '';
}

async function readNode(reader: MessageReader, range: ByteRange, files: ExternalFiles): Promise<OnnxNode> {
  const node = { op: '', name: '', inputs: [] as string[], outputs: [] as string[] };
  const attributes = new Map<string, Attribute>();
  for (const field of await reader.fields(range)) {
    if (field.wireType !== 2) continue;
    if (field.number === 1) node.inputs.push(await reader.text(field));
    if (field.number === 2) node.outputs.push(await reader.text(field));
    if (field.number === 3) node.name = await reader.text(field);
    if (field.number === 4) node.op = await reader.text(field);
    if (field.number === 5) {
      const [name, attribute] = await readAttribute(reader, field, files);
      attributes.set(name, attribute);
    }
  }
  return { ...node, attributes };
}

async function readAttribute(
  reader: MessageReader,
  range: ByteRange,
  files: ExternalFiles,
): Promise<[string, Attribute]> {
  let name = '';
  let attribute: Attribute = {};
  for (const field of await reader.fields(range)) {
    if (field.number === 1 && field.wireType === 2) name = await reader.text(field);
    if (field.number === 2) attribute = { ...attribute, float: await reader.float(field) };
    if (field.number === 3) attribute = { ...attribute, int: field.value };
    if (field.number === 4 && field.wireType === 2)
      attribute = { ...attribute, text: await reader.text(field) };
    if (field.number === 5 && field.wireType === 2) {
      attribute = { ...attribute, tensor: await readTensorProto(reader, field, files) };
    }
    if (field.number === 8) {
      attribute = { ...attribute, ints: [...(attribute.ints ?? []), ...(await reader.integers(field))] };
    }
  }
  return [name, attribute];
}
