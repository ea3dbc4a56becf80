/** NumPy's array format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0. */
import type { Shape } from './shape.ts';

/**
 * The header of a file of little-endian float32 values in row-major order.
 * @param atLeast minimum length in bytes, a multiple of 64, to replace a longer header (default 64)
 */
export function npyHeader(shape: Shape, atLeast = 64): Buffer {
  return headerOf('<f4', shape, atLeast);
}

/** A file with an array of strings `[N]`: UTF-32, each as long as the longest, as NumPy's dtype `<U…` has them. */
export function* npyStrings(texts: readonly string[]): Generator<Uint8Array> {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0)!));
  const longest = points.reduce((most, { length }) => Math.max(most, length), 1);
  yield headerOf(`<U${longest}`, [texts.length], 64);
  for (const one of points) {
    const bytes = Buffer.alloc(4 * longest);
    for (const [i, point] of one.entries()) bytes.writeUInt32LE(point, 4 * i);
    yield bytes;
  }
}

function headerOf(type: string, shape: Shape, atLeast: number): Buffer {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const length = Math.max(atLeast, Math.ceil((10 + text.length + 1) / 64) * 64);
  const header = Buffer.alloc(length, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(length - 10, 8);
  header.write(text, 10, 'latin1');
  header.write('\n', length - 1, 'latin1');
  return header;
}
