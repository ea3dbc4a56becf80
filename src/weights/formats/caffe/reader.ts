/**
 * Reads a .caffemodel: https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto
 * NetParameter has its layers as `layer` (100) since 2014, and as `layers` (2), V1LayerParameter, before; the authors'
 * own files are of the old kind.
 */
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { type MessageField, MessageReader } from '../../containers/protobuf/message-reader.ts';
import { type ByteRange, rangesFault, type SourceTensor, streamRanges } from '../../tensors/source-tensor.ts';
import { parseFacts, type WeightContent } from '../weight-content.ts';
import { type CaffeLayer, type CaffeWindow, caffeNetwork } from './network.ts';

/** V1LayerParameter.LayerType, for the layers of image networks. */
const oldTypes: Readonly<Record<number, string>> = {
  1: 'Accuracy',
  3: 'Concat',
  4: 'Convolution',
  5: 'Data',
  6: 'Dropout',
  8: 'Flatten',
  12: 'ImageData',
  14: 'InnerProduct',
  15: 'LRN',
  17: 'Pooling',
  18: 'ReLU',
  20: 'Softmax',
  21: 'SoftmaxWithLoss',
  22: 'Split',
  25: 'Eltwise',
};

/** Field numbers of the two kinds of layers. */
interface Numbers {
  readonly name: number;
  readonly type: number;
  readonly blobs: number;
  readonly convolution: number;
  readonly pooling: number;
  readonly batchNorm: number;
}

const NEW: Numbers = { name: 1, type: 2, blobs: 7, convolution: 106, pooling: 121, batchNorm: 139 };
const OLD: Numbers = { name: 4, type: 5, blobs: 6, convolution: 10, pooling: 19, batchNorm: -1 };

/** The field of verydeep's facts, which Caffe ignores. */
export const METADATA_FIELD = 50_000;
/** Caffe's default for BatchNorm. */
const EPSILON = 1e-5;

/** Reads a NetParameter without its weights. @throws UserError when the file does not hold one. */
export async function openCaffe(file: RandomAccessFile): Promise<WeightContent> {
  const reader = new MessageReader(file, 'Caffe');
  const layers: CaffeLayer[] = [];
  const metadata: Record<string, string> = {};
  let name = '';
  for (const field of await reader.fields(reader.whole)) {
    if (field.wireType !== 2) continue;
    if (field.number === 1) name = await reader.text(field);
    if (field.number === 2) layers.push(await readLayer(reader, field, OLD));
    if (field.number === 100) layers.push(await readLayer(reader, field, NEW));
    if (field.number === METADATA_FIELD) Object.assign(metadata, await readMetadata(reader, field));
  }
  if (layers.length === 0) throw reader.broken('it has no layers');
  return {
    description: name ? `Caffe, net ${name}` : 'Caffe',
    tensors: layers.flatMap(({ blobs }) => blobs),
    metadata,
    network: () => caffeNetwork(file.path, layers),
  };
}

async function readMetadata(reader: MessageReader, range: ByteRange): Promise<Record<string, string>> {
  const facts = parseFacts(await reader.text(range));
  if (!facts) throw reader.broken("verydeep's facts in it are damaged");
  return facts;
}

async function readLayer(reader: MessageReader, range: ByteRange, numbers: Numbers): Promise<CaffeLayer> {
  let [name, type, epsilon] = ['', '', EPSILON];
  const blobs: ByteRange[] = [];
  const window: CaffeWindow = {
    kernel: 1,
    stride: 1,
    padding: 0,
    group: 1,
    dilation: 1,
    method: 0,
    roundMode: 0,
  };
  for (const field of await reader.fields(range)) {
    if (field.number === numbers.type && field.wireType === 0)
      type = oldTypes[field.value] ?? `type ${field.value}`;
    if (field.wireType !== 2) continue;
    if (field.number === numbers.name) name = await reader.text(field);
    if (field.number === numbers.type) type = await reader.text(field);
    if (field.number === numbers.blobs) blobs.push(field);
    if (field.number === numbers.convolution) await readConvolution(reader, field, window);
    if (field.number === numbers.pooling) await readPooling(reader, field, window);
    if (field.number === numbers.batchNorm) epsilon = await readEpsilon(reader, field);
    if (numbers === OLD && field.number === 1) {
      throw reader.broken(
        "its layers have the oldest format (V0); upgrade it with Caffe's upgrade_net_proto_binary",
      );
    }
  }
  const tensors: SourceTensor[] = [];
  for (const [index, blob] of blobs.entries())
    tensors.push(await readBlob(reader, blob, `${name}[${index}]`));
  return { name, type, blobs: tensors, window, epsilon };
}

async function readConvolution(reader: MessageReader, range: ByteRange, window: CaffeWindow): Promise<void> {
  for (const field of await reader.fields(range)) {
    const [value = 0] = field.wireType === 0 || field.wireType === 2 ? await reader.integers(field) : [];
    if (field.number === 3 || field.number === 9) window.padding = value;
    if (field.number === 4 || field.number === 11) window.kernel = value;
    if (field.number === 5) window.group = value;
    if (field.number === 6 || field.number === 13) window.stride = value;
    if (field.number === 18) window.dilation = value;
  }
}

async function readPooling(reader: MessageReader, range: ByteRange, window: CaffeWindow): Promise<void> {
  for (const { number, wireType, value } of await reader.fields(range)) {
    if (wireType !== 0) continue;
    if (number === 1) window.method = value;
    if (number === 2 || number === 5) window.kernel = value;
    if (number === 3 || number === 7) window.stride = value;
    if (number === 4 || number === 9) window.padding = value;
    if (number === 13) window.roundMode = value;
  }
}

async function readEpsilon(reader: MessageReader, range: ByteRange): Promise<number> {
  const field = (await reader.fields(range)).find(({ number }) => number === 3);
  return field ? Number((await reader.float(field)).toPrecision(7)) : EPSILON;
}

/** BlobProto: a shape (7), or num, channels, height and width (1 to 4); floats (5) or doubles (8). */
async function readBlob(reader: MessageReader, range: ByteRange, name: string): Promise<SourceTensor> {
  const legacy = [1, 1, 1, 1];
  let shape: number[] | undefined;
  const floats: MessageField[] = [];
  const doubles: MessageField[] = [];
  for (const field of await reader.fields(range)) {
    if (field.number >= 1 && field.number <= 4 && field.wireType === 0)
      legacy[field.number - 1] = field.value;
    if (field.number === 7 && field.wireType === 2) shape = await readShape(reader, field);
    if (field.number === 5 && field.wireType !== 0) floats.push(field);
    if (field.number === 8 && field.wireType !== 0) doubles.push(field);
  }
  return blobTensor(reader, name, shape ?? legacy, floats, doubles);
}

function blobTensor(
  reader: MessageReader,
  name: string,
  shape: readonly number[],
  floats: readonly MessageField[],
  doubles: readonly MessageField[],
): SourceTensor {
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw reader.broken(`blob ${name} has the impossible shape ${shape.join('×')}`);
  }
  const type = doubles.length > 0 ? 'F64' : 'F32';
  const ranges = doubles.length > 0 ? doubles : floats;
  return {
    name,
    type,
    shape,
    async read(visit) {
      const fault = rangesFault(ranges, shape, type, reader.file.size);
      if (fault) throw reader.broken(`blob ${name} ${fault}`);
      await streamRanges(reader.file, ranges, type, visit);
    },
  };
}

async function readShape(reader: MessageReader, range: ByteRange): Promise<number[]> {
  const shape: number[] = [];
  for (const field of await reader.fields(range)) {
    if (field.number === 1) shape.push(...(await reader.integers(field)));
  }
  return shape;
}
