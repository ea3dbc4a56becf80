/** Reads where the values of datasets are stored (format specification, IV.A.2.i and l). */
import { elementCount, formatShape, type Shape } from '../../../core/shape.ts';
import { isReadable } from '../../tensors/element-types.ts';
import {
  type ByteSource,
  type SourceTensor,
  streamElements,
  type Visit,
} from '../../tensors/source-tensor.ts';
import { unreadable } from '../../weight-errors.ts';
import { type ChunkedLayout, readChunkedLayout, streamChunks } from './chunks.ts';
import type { Hdf5Source } from './hdf5-source.ts';
import { type HeaderMessage, MessageType } from './object-header.ts';
import { type Datatype, readDataspace, readDatatype } from './types.ts';

type Layout =
  | { readonly kind: 'contiguous'; readonly address: number; readonly size: number }
  | { readonly kind: 'compact'; readonly bytes: Buffer }
  | ChunkedLayout;

/** A dataset whose values have not been read. */
export interface Dataset {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: Shape;
  readonly layout: Layout;
}

/** The dataset that an object's messages describe, or undefined if the object is not a dataset. */
export function readDataset(
  source: Hdf5Source,
  name: string,
  messages: readonly HeaderMessage[],
): Dataset | undefined {
  const find = (type: number) => messages.find((message) => message.type === type)?.body;
  const layout = find(MessageType.layout);
  const datatype = find(MessageType.datatype);
  const dataspace = find(MessageType.dataspace);
  if (!layout || !datatype || !dataspace) return undefined;
  const version = layout.u8();
  const kind = layout.u8();
  if (version !== 3 && !(version === 4 && kind < 2)) {
    throw source.broken(
      `dataset ${name} has layout version ${version}, which is not supported; save it with the library's defaults`,
    );
  }
  const shape = readDataspace(source, dataspace);
  const type = readDatatype(datatype);
  return { name, datatype: type, shape, layout: readLayout() };

  function readLayout(): Layout {
    if (kind === 0) return { kind: 'compact', bytes: layout!.take(layout!.u16()) };
    if (kind === 1) return { kind: 'contiguous', address: layout!.u64(), size: layout!.u64() };
    if (kind === 2) return readChunkedLayout(source, name, layout!, find(MessageType.filters));
    throw source.broken(`dataset ${name} has the unknown layout ${kind}`);
  }
}

/** A dataset as a tensor. */
export function datasetTensor(source: Hdf5Source, dataset: Dataset): SourceTensor {
  const { name, datatype, shape } = dataset;
  return {
    name,
    type: datatype.kind,
    shape,
    read: (visit) => readDatasetValues(source, dataset, visit),
  };
}

async function readDatasetValues(source: Hdf5Source, dataset: Dataset, visit: Visit): Promise<void> {
  const { name, datatype, shape, layout } = dataset;
  if (!isReadable(datatype.kind)) throw unreadable(source.path, name, datatype.kind);
  const count = elementCount(shape);
  if (layout.kind === 'chunked') return streamChunks(source, dataset, layout, datatype.kind, visit);
  const size = layout.kind === 'compact' ? layout.bytes.length : layout.size;
  if (size !== count * datatype.size) {
    throw source.broken(
      `dataset ${name} has ${size} bytes, but ${formatShape(shape)} takes ${count * datatype.size}`,
    );
  }
  if (layout.kind === 'compact')
    return streamElements(bytesSource(layout.bytes), 0, count, datatype.kind, visit);
  source.checkRange(layout.address, layout.size);
  return streamElements(source.data, layout.address, count, datatype.kind, visit);
}

/** The raw bytes of a small dataset. */
export async function readDatasetBytes(source: Hdf5Source, { name, layout }: Dataset): Promise<Buffer> {
  if (layout.kind === 'compact') return layout.bytes;
  if (layout.kind === 'chunked') throw source.broken(`dataset ${name} is stored in chunks`);
  return Buffer.from((await source.at(layout.address, layout.size)).bytes);
}

function bytesSource(bytes: Buffer): ByteSource {
  return {
    async readInto(position, target) {
      bytes.copy(target, 0, position, position + target.byteLength);
    },
  };
}
