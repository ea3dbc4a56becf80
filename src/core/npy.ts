/** NumPy's array format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0. */
import type { Shape } from './shape.ts';

/**
 * The header of a file of little-endian float32 values in row-major order.
 * @param atLeast minimum length in bytes, a multiple of 64, to replace a longer header (default 64)
 */
export function npyHeader(shape: Shape, atLeast = 64): Buffer {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const length = Math.max(atLeast, Math.ceil((10 + text.length + 1) / 64) * 64);
  const header = Buffer.alloc(length, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(length - 10, 8);
  header.write(text, 10, 'latin1');
  header.write('\n', length - 1, 'latin1');
  return header;
}
