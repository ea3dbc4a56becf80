/**
 * The IDX format of MNIST and its family (http://yann.lecun.com/exdb/mnist/): two zero bytes, the type of
 * the values (0x08: unsigned bytes), the number of dimensions, each extent as a big-endian 32-bit number,
 * then the values, the last dimension fastest.
 */
import { UserError } from '../../../core/errors.ts';

const UNSIGNED_BYTE = 0x08;

export interface IdxArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array;
}

/**
 * Parses an array of unsigned bytes.
 * @param dimensions how many it must have: 3 for images `[count, rows, columns]`, 1 for labels
 * @param name what error messages call the file
 * @throws UserError naming the file and what is wrong with it
 */
export function parseIdx(bytes: Uint8Array, dimensions: number, name: string): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 4 + 4 * dimensions;
  if (bytes.length < 4) throw damaged(name, `it has only ${bytes.length} bytes`);
  const magic = view.getUint32(0);
  const expected = UNSIGNED_BYTE * 256 + dimensions;
  if (magic !== expected) {
    throw damaged(name, `it starts with ${hex(magic)} where IDX files of this kind have ${hex(expected)}`);
  }
  if (bytes.length < start) throw damaged(name, 'it ends within its header');
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (bytes.length - start !== size) {
    throw damaged(name, `its header promises ${size} bytes of values, but ${bytes.length - start} follow`);
  }
  return { shape, values: bytes.subarray(start) };
}

function damaged(name: string, what: string): UserError {
  return new UserError(`${name} is not a whole IDX file: ${what}; download it again`);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
