/** One array in NumPy's format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
import { elementCount, type Shape } from '../../../core/shape.ts';
import { elementBytes } from '../../tensors/element-types.ts';
import type { ByteSource, SourceTensor } from '../../tensors/source-tensor.ts';
import { stridedTensor } from '../../tensors/strided-tensor.ts';
import { damaged } from '../../weight-errors.ts';
import { hasSignature } from '../signatures.ts';

/** Bytes that hold the header of any array of numbers. */
export const HEADER_BYTES = 4096;

const types: Readonly<Record<string, string>> = {
  ...{ '<f4': 'F32', '<f2': 'F16', '<f8': 'F64' },
  ...{ '<i8': 'I64', '<i4': 'I32', '<i2': 'I16', '|i1': 'I8', '|u1': 'U8', '|b1': 'BOOL' },
};

/** The bytes of a .npy file or of an archive's entry. */
export interface ArrayBytes extends ByteSource {
  readonly size: number;
}

/**
 * Describes an array.
 * @param start the first `HEADER_BYTES` bytes, or all
 * @param open gives access to all bytes when the array is read
 * @throws UserError when the header is damaged.
 */
export function npyTensor(
  path: string,
  name: string,
  start: Uint8Array,
  bytes: number,
  open: () => Promise<ByteSource>,
): SourceTensor {
  const { type, shape, fortran, length } = parseHeader(path, name, start);
  const size = elementBytes(type);
  if (size !== undefined && length + elementCount(shape) * size > bytes) {
    throw damaged(path, 'NumPy', `array ${name} has ${bytes} bytes, too few for its shape`);
  }
  let stride = 1;
  const columns = shape.map((extent) => {
    const own = stride;
    stride *= extent;
    return own;
  });
  const strides = fortran ? columns : undefined;
  return stridedTensor({ path, format: 'NumPy', name, type, shape, strides }, async () => ({
    source: await open(),
    position: length,
    bytes: bytes - length,
  }));
}

function parseHeader(path: string, name: string, start: Uint8Array) {
  const wrong = (fault: string) => damaged(path, 'NumPy', `array ${name} ${fault}`);
  if (start.length < 12 || !hasSignature(start, 'npy')) throw wrong('is not a NumPy array');
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const major = start[6]!;
  const text = major === 1 ? 10 : 12;
  const length = text + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (major < 1 || major > 3 || length > start.length) throw wrong('has a header of an unknown form');
  const header = new TextDecoder('latin1').decode(start.subarray(text, length));
  const [, code] = /'descr':\s*'([^']*)'/.exec(header) ?? [];
  const [, order] = /'fortran_order':\s*(True|False)/.exec(header) ?? [];
  const [, extents] = /'shape':\s*\(([\d,\s]*)\)/.exec(header) ?? [];
  if (order === undefined || extents === undefined) throw wrong('has a damaged header');
  const shape: Shape = extents
    .split(',')
    .map((extent) => extent.trim())
    .filter((extent) => extent !== '')
    .map(Number);
  if (!Number.isSafeInteger(elementCount(shape))) throw wrong('has an impossible shape');
  // Records and objects have no code, or one that starts with |O.
  const type =
    code === undefined ? 'a record' : Object.hasOwn(types, code) ? types[code]! : `NumPy's ${code}`;
  return { type, shape, fortran: order === 'True', length };
}
