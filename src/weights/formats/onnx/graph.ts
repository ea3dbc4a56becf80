/** ONNX's ModelProto and GraphProto, as far as they describe a chain of layers. */

import type { Range, WireReader } from '../../containers/protobuf/wire.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';
import { type ExternalFiles, readEntry, readTensorProto } from './tensor.ts';

export interface OnnxNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface Attribute {
  readonly int?: number;
  readonly float?: number;
  readonly ints?: readonly number[];
  readonly text?: string;
  readonly tensor?: SourceTensor;
}

export interface OnnxModel {
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly nodes: readonly OnnxNode[];
  /** Initializers and constants by name. */
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  /** Inputs that are no initializers. */
  readonly inputs: readonly string[];
}

/** Reads everything but the tensors' values. @throws UserError when the file makes no ONNX model. */
export async function readOnnxModel(wire: WireReader, files: ExternalFiles): Promise<OnnxModel> {
  const metadata: Record<string, string> = {};
  let producer = '';
  let graph: Range | undefined;
  for (const field of await wire.fields(wire.whole)) {
    if (field.number === 2 && field.wireType === 2) producer = await wire.text(field);
    if (field.number === 7 && field.wireType === 2) graph = field;
    if (field.number === 14 && field.wireType === 2) {
      const { key, value } = await readEntry(wire, field);
      metadata[key] = value;
    }
  }
  if (!graph) throw wire.broken('it has no graph');
  return { producer, metadata, ...(await readGraph(wire, graph, files)) };
}

async function readGraph(wire: WireReader, range: Range, files: ExternalFiles) {
  const nodes: OnnxNode[] = [];
  const tensors = new Map<string, SourceTensor>();
  const inputs: string[] = [];
  for (const field of await wire.fields(range)) {
    if (field.wireType !== 2) continue;
    if (field.number === 1) nodes.push(await readNode(wire, field, files));
    if (field.number === 5) {
      const tensor = await readTensorProto(wire, field, files);
      if (tensors.has(tensor.name)) throw wire.broken(`it has two tensors named ${tensor.name}`);
      tensors.set(tensor.name, tensor);
    }
    if (field.number === 11) inputs.push(await readName(wire, field));
  }
  for (const { op, attributes, outputs } of nodes) {
    const value = attributes.get('value')?.tensor;
    if (op === 'Constant' && value && outputs[0]) tensors.set(outputs[0], { ...value, name: outputs[0] });
  }
  return { nodes, tensors, inputs: inputs.filter((name) => !tensors.has(name)) };
}

/** ValueInfoProto's name. */
async function readName(wire: WireReader, range: Range): Promise<string> {
  const field = (await wire.fields(range)).find(({ number, wireType }) => number === 1 && wireType === 2);
  return field ? wire.text(field) : '';
}

async function readNode(wire: WireReader, range: Range, files: ExternalFiles): Promise<OnnxNode> {
  const node = { op: '', name: '', inputs: [] as string[], outputs: [] as string[] };
  const attributes = new Map<string, Attribute>();
  for (const field of await wire.fields(range)) {
    if (field.wireType !== 2) continue;
    if (field.number === 1) node.inputs.push(await wire.text(field));
    if (field.number === 2) node.outputs.push(await wire.text(field));
    if (field.number === 3) node.name = await wire.text(field);
    if (field.number === 4) node.op = await wire.text(field);
    if (field.number === 5) {
      const [name, attribute] = await readAttribute(wire, field, files);
      attributes.set(name, attribute);
    }
  }
  return { ...node, attributes };
}

async function readAttribute(
  wire: WireReader,
  range: Range,
  files: ExternalFiles,
): Promise<[string, Attribute]> {
  let name = '';
  let attribute: Attribute = {};
  for (const field of await wire.fields(range)) {
    if (field.number === 1 && field.wireType === 2) name = await wire.text(field);
    if (field.number === 2) attribute = { ...attribute, float: await wire.float(field) };
    if (field.number === 3) attribute = { ...attribute, int: field.value };
    if (field.number === 4 && field.wireType === 2)
      attribute = { ...attribute, text: await wire.text(field) };
    if (field.number === 5 && field.wireType === 2) {
      attribute = { ...attribute, tensor: await readTensorProto(wire, field, files) };
    }
    if (field.number === 8) {
      attribute = { ...attribute, ints: [...(attribute.ints ?? []), ...(await wire.integers(field))] };
    }
  }
  return [name, attribute];
}
