/** Reads the datatypes and dataspaces that weights and their names use (format specification, IV.A.2.b and d). */
import type { Shape } from '../../../core/shape.ts';
import type { Cursor, Hdf5Source } from './hdf5-source.ts';

export interface Datatype {
  /** `F32`, `F16`, `BF16`, `F64`, `text`, `longText` (stored elsewhere in the file), or a description of an unsupported type. */
  readonly kind: string;
  /** Bytes per element. */
  readonly size: number;
}

export function readDatatype(cursor: Cursor): Datatype {
  const classAndVersion = cursor.u8();
  const bits = cursor.u8();
  cursor.skip(2);
  const size = cursor.u32();
  switch (classAndVersion & 0x0f) {
    case 0:
      return { kind: `integers of ${size} bytes`, size };
    case 1:
      return { kind: floatKind(cursor, bits, size), size };
    case 3:
      return { kind: 'text', size };
    case 9:
      return { kind: (bits & 0x0f) === 1 ? 'longText' : 'lists', size };
    default:
      return { kind: `values of class ${classAndVersion & 0x0f}`, size };
  }
}

/** IEEE 754 little-endian floats, and bfloat16, told apart by the position of exponent and fraction. */
function floatKind(cursor: Cursor, bits: number, size: number): string {
  cursor.skip(4);
  const [, exponentSize, fractionAt, fractionSize] = [cursor.u8(), cursor.u8(), cursor.u8(), cursor.u8()];
  if (bits & 1) return 'big-endian numbers';
  if (fractionAt !== 0) return 'unusual floating-point numbers';
  const kinds: Record<string, string> = {
    '4,8,23': 'F32',
    '8,11,52': 'F64',
    '2,5,10': 'F16',
    '2,8,7': 'BF16',
  };
  return kinds[`${size},${exponentSize},${fractionSize}`] ?? 'unusual floating-point numbers';
}

/** A scalar has the shape []. @throws UserError for an impossible dataspace. */
export function readDataspace(source: Hdf5Source, cursor: Cursor): Shape {
  const version = cursor.u8();
  const rank = cursor.u8();
  cursor.skip(version === 1 ? 6 : 2);
  if (version !== 1 && version !== 2) throw source.broken(`a dataspace in it has version ${version}`);
  if (rank > 32) throw source.broken(`a dataspace in it has ${rank} dimensions`);
  return Array.from({ length: rank }, () => {
    const extent = cursor.u64();
    if (extent < 0) throw source.broken('an array in it has unlimited size');
    return extent;
  });
}
