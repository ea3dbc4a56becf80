/**
 * The layers of a .caffemodel: https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto
 * NetParameter has them as `layer` (100) since 2014, and as `layers` (2), V1LayerParameter, before; the
 * authors' own files are of the old kind.
 */
import { elementCount } from '../../../core/shape.ts';
import type { Range, WireField, WireReader } from '../../containers/protobuf/wire.ts';
import { streamSegments } from '../../import/segments.ts';
import { elementBytes } from '../../tensors/element-types.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';

export interface CaffeLayer {
  readonly name: string;
  /** As the new kind of layers calls it: `Convolution`. */
  readonly type: string;
  readonly blobs: readonly SourceTensor[];
  /** Of a convolution or a pooling. */
  readonly window: CaffeWindow;
  /** BatchNorm's. */
  readonly epsilon: number;
}

export interface CaffeWindow {
  kernel: number;
  stride: number;
  padding: number;
  group: number;
  dilation: number;
  /** PoolingParameter.pool: 0 is MAX. */
  method: number;
  /** PoolingParameter.round_mode: 0 is CEIL. */
  roundMode: number;
}

/** V1LayerParameter.LayerType, as far as image networks had them. */
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

/** verydeep's facts, in a field that Caffe does not know and passes over. */
export const METADATA_FIELD = 50_000;
/** Caffe's default for BatchNorm. */
const EPSILON = 1e-5;

export interface CaffeNet {
  readonly name: string;
  readonly layers: readonly CaffeLayer[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads a NetParameter without its weights. @throws UserError when the file makes none. */
export async function readCaffeNet(wire: WireReader): Promise<CaffeNet> {
  const layers: CaffeLayer[] = [];
  const metadata: Record<string, string> = {};
  let name = '';
  for (const field of await wire.fields(wire.whole)) {
    if (field.wireType !== 2) continue;
    if (field.number === 1) name = await wire.text(field);
    if (field.number === 2) layers.push(await readLayer(wire, field, OLD));
    if (field.number === 100) layers.push(await readLayer(wire, field, NEW));
    if (field.number === METADATA_FIELD) Object.assign(metadata, await readMetadata(wire, field));
  }
  return { name, layers, metadata };
}

async function readMetadata(wire: WireReader, range: Range): Promise<Record<string, string>> {
  try {
    const facts = JSON.parse(await wire.text(range)) as unknown;
    if (
      typeof facts === 'object' &&
      facts !== null &&
      Object.values(facts).every((fact) => typeof fact === 'string')
    ) {
      return facts as Record<string, string>;
    }
  } catch {}
  throw wire.broken('the facts that verydeep wrote into it are damaged');
}

async function readLayer(wire: WireReader, range: Range, numbers: Numbers): Promise<CaffeLayer> {
  let [name, type, epsilon] = ['', '', EPSILON];
  const blobs: Range[] = [];
  const window: CaffeWindow = {
    kernel: 1,
    stride: 1,
    padding: 0,
    group: 1,
    dilation: 1,
    method: 0,
    roundMode: 0,
  };
  for (const field of await wire.fields(range)) {
    if (field.number === numbers.type && field.wireType === 0)
      type = oldTypes[field.value] ?? `type ${field.value}`;
    if (field.wireType !== 2) continue;
    if (field.number === numbers.name) name = await wire.text(field);
    if (field.number === numbers.type) type = await wire.text(field);
    if (field.number === numbers.blobs) blobs.push(field);
    if (field.number === numbers.convolution) await readConvolution(wire, field, window);
    if (field.number === numbers.pooling) await readPooling(wire, field, window);
    if (field.number === numbers.batchNorm) epsilon = await readEpsilon(wire, field);
    if (numbers === OLD && field.number === 1) {
      throw wire.broken(
        "its layers are of the oldest kind (V0); upgrade it with Caffe's upgrade_net_proto_binary",
      );
    }
  }
  const tensors: SourceTensor[] = [];
  for (const [index, blob] of blobs.entries()) tensors.push(await readBlob(wire, blob, `${name}[${index}]`));
  return { name, type, blobs: tensors, window, epsilon };
}

async function readConvolution(wire: WireReader, range: Range, window: CaffeWindow): Promise<void> {
  for (const field of await wire.fields(range)) {
    const [value = 0] = field.wireType === 0 || field.wireType === 2 ? await wire.integers(field) : [];
    if (field.number === 3 || field.number === 9) window.padding = value;
    if (field.number === 4 || field.number === 11) window.kernel = value;
    if (field.number === 5) window.group = value;
    if (field.number === 6 || field.number === 13) window.stride = value;
    if (field.number === 18) window.dilation = value;
  }
}

async function readPooling(wire: WireReader, range: Range, window: CaffeWindow): Promise<void> {
  for (const { number, wireType, value } of await wire.fields(range)) {
    if (wireType !== 0) continue;
    if (number === 1) window.method = value;
    if (number === 2 || number === 5) window.kernel = value;
    if (number === 3 || number === 7) window.stride = value;
    if (number === 4 || number === 9) window.padding = value;
    if (number === 13) window.roundMode = value;
  }
}

async function readEpsilon(wire: WireReader, range: Range): Promise<number> {
  const field = (await wire.fields(range)).find(({ number }) => number === 3);
  return field ? Number((await wire.float(field)).toPrecision(7)) : EPSILON;
}

/** BlobProto: a shape (7), or num, channels, height and width (1 to 4); floats (5) or doubles (8). */
async function readBlob(wire: WireReader, range: Range, name: string): Promise<SourceTensor> {
  const legacy = [1, 1, 1, 1];
  let shape: number[] | undefined;
  const floats: WireField[] = [];
  const doubles: WireField[] = [];
  for (const field of await wire.fields(range)) {
    if (field.number >= 1 && field.number <= 4 && field.wireType === 0)
      legacy[field.number - 1] = field.value;
    if (field.number === 7 && field.wireType === 2) shape = await readShape(wire, field);
    if (field.number === 5 && field.wireType !== 0) floats.push(field);
    if (field.number === 8 && field.wireType !== 0) doubles.push(field);
  }
  return blobTensor(wire, name, shape ?? legacy, floats, doubles);
}

function blobTensor(
  wire: WireReader,
  name: string,
  shape: readonly number[],
  floats: readonly WireField[],
  doubles: readonly WireField[],
): SourceTensor {
  if (!shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0)) {
    throw wire.broken(`blob ${name} has the impossible shape ${shape.join('×')}`);
  }
  const type = doubles.length > 0 ? 'F64' : 'F32';
  const segments = doubles.length > 0 ? doubles : floats;
  const needed = elementCount(shape) * elementBytes(type)!;
  const there = segments.reduce((sum, { start, end }) => sum + end - start, 0);
  const whole = segments.every(({ start, end }) => (end - start) % elementBytes(type)! === 0);
  return {
    name,
    type,
    shape,
    async read(visit) {
      if (there !== needed || !whole) {
        throw wire.broken(
          `blob ${name} has ${there} bytes of values, but ${shape.join('×')} takes ${needed}`,
        );
      }
      await streamSegments(wire.file, segments, type, visit);
    },
  };
}

async function readShape(wire: WireReader, range: Range): Promise<number[]> {
  const shape: number[] = [];
  for (const field of await wire.fields(range)) {
    if (field.number === 1) shape.push(...(await wire.integers(field)));
  }
  return shape;
}
