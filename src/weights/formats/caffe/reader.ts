/**
 * Reads a .caffemodel: https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto
 * Since 2014, NetParameter has its layers in `layer` (100); before, in `layers` (2) as V1LayerParameter. The authors' own
 * files are of the old kind.
 */
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { type MessageFields, MessageReader } from '../../containers/protobuf/message-reader.ts';
import { type ByteRange, rangesFault, type SourceTensor, streamRanges } from '../../tensors/source-tensor.ts';
import { parseFacts, type WeightContent } from '../weight-content.ts';
import { type CaffeLayer, type CaffeWindow, caffeNetwork } from './caffe-network.ts';

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
const PLAIN_WINDOW: CaffeWindow = {
  kernel: 1,
  stride: 1,
  padding: 0,
  group: 1,
  dilation: 1,
  method: 0,
  global: false,
  roundMode: 0,
};

/** Reads a NetParameter without its weights. @throws UserError when the file does not hold one. */
export async function openCaffe(file: RandomAccessFile): Promise<WeightContent> {
  const reader = new MessageReader(file, 'Caffe');
  const net = await reader.message(reader.whole);
  const layers: CaffeLayer[] = [];
  for (const range of net.bytes(2)) layers.push(await readLayer(reader, range, OLD));
  for (const range of net.bytes(100)) layers.push(await readLayer(reader, range, NEW));
  if (layers.length === 0) throw reader.broken('it has no layers');
  const [facts] = net.bytes(METADATA_FIELD);
  const metadata = facts ? parseFacts(await reader.text(facts)) : {};
  if (!metadata) throw reader.broken("verydeep's facts in it are damaged");
  const name = await net.text(1);
  return {
    description: name ? `Caffe, net ${name}` : 'Caffe',
    tensors: layers.flatMap(({ blobs }) => blobs),
    metadata,
    network: () => caffeNetwork(file.path, layers),
  };
}

async function readLayer(reader: MessageReader, range: ByteRange, numbers: Numbers): Promise<CaffeLayer> {
  const layer = await reader.message(range);
  if (numbers === OLD && layer.bytes(1).length > 0) {
    throw reader.broken(
      "its layers have the oldest format (V0); upgrade it with Caffe's upgrade_net_proto_binary",
    );
  }
  const name = await layer.text(numbers.name);
  const oldType = (await layer.int(numbers.type)) ?? 0;
  const blobs: SourceTensor[] = [];
  for (const [index, blob] of layer.bytes(numbers.blobs).entries()) {
    blobs.push(await readBlob(reader, blob, `${name}[${index}]`));
  }
  const norm = layer.bytes(numbers.batchNorm).at(-1);
  return {
    name,
    type: numbers === OLD ? (oldTypes[oldType] ?? `type ${oldType}`) : await layer.text(numbers.type),
    blobs,
    window: await readWindow(reader, layer, numbers),
    epsilon: norm ? await readEpsilon(reader, norm) : EPSILON,
  };
}

/** Reads the window of a ConvolutionParameter or PoolingParameter. */
async function readWindow(
  reader: MessageReader,
  layer: MessageFields,
  { convolution, pooling }: Numbers,
): Promise<CaffeWindow> {
  const pool = layer.bytes(pooling).at(-1);
  if (pool) {
    const fields = await reader.message(pool);
    return {
      ...PLAIN_WINDOW,
      method: (await fields.int(1)) ?? 0,
      global: (await fields.int(12)) === 1,
      kernel: (await fields.int(2, 5)) ?? 1,
      stride: (await fields.int(3, 7)) ?? 1,
      padding: (await fields.int(4, 9)) ?? 0,
      roundMode: (await fields.int(13)) ?? 0,
    };
  }
  const convolve = layer.bytes(convolution).at(-1);
  if (!convolve) return PLAIN_WINDOW;
  const fields = await reader.message(convolve);
  return {
    ...PLAIN_WINDOW,
    padding: (await fields.int(3, 9)) ?? 0,
    kernel: (await fields.int(4, 11)) ?? 1,
    group: (await fields.int(5)) ?? 1,
    stride: (await fields.int(6, 13)) ?? 1,
    dilation: (await fields.int(18)) ?? 1,
  };
}

async function readEpsilon(reader: MessageReader, range: ByteRange): Promise<number> {
  const value = await (await reader.message(range)).float(3);
  return value === undefined ? EPSILON : Number(value.toPrecision(7));
}

/** BlobProto: a shape (7), or num, channels, height and width (1 to 4); floats (5) or doubles (8). */
async function readBlob(reader: MessageReader, range: ByteRange, name: string): Promise<SourceTensor> {
  const blob = await reader.message(range);
  const described = blob.bytes(7).at(-1);
  const shape: number[] = described ? await (await reader.message(described)).ints(1) : [];
  if (!described) for (const number of [1, 2, 3, 4]) shape.push((await blob.int(number)) ?? 1);
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw reader.broken(`blob ${name} has the impossible shape ${shape.join('×')}`);
  }
  const doubles = blob.floats(8);
  const type = doubles.length > 0 ? 'F64' : 'F32';
  const ranges = doubles.length > 0 ? doubles : blob.floats(5);
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
