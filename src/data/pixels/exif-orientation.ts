/** Reads the orientation that a camera recorded (Exif 2.3, 4.6.4, tag 274, in TIFF 6.0's first directory). */

const SIGNATURE_BYTES = 6;
const LITTLE_ENDIAN = 0x4949;
const BIG_ENDIAN = 0x4d4d;
const ORIENTATION = 0x0112;
const SHORT = 3;
const ENTRY_BYTES = 12;

/**
 * @param exif an APP1 segment's bytes from its signature `Exif\0\0` on; they may be truncated
 * @returns 1 (upright, also if there is no orientation) to 8, or undefined if the bytes are incomplete or ambiguous
 */
export function exifOrientation(exif: Uint8Array): number | undefined {
  const { buffer, byteOffset, byteLength } = exif;
  try {
    const tiff = new DataView(buffer, byteOffset + SIGNATURE_BYTES, byteLength - SIGNATURE_BYTES);
    const values = orientationsIn(tiff);
    return values.length > 1 ? undefined : (values[0] ?? 1);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // reading beyond the bytes
    throw error;
  }
}

/** @throws RangeError if a structure reaches beyond the bytes or violates the specifications */
function orientationsIn(tiff: DataView): number[] {
  const order = tiff.getUint16(0);
  const little = order === LITTLE_ENDIAN;
  if (!little && order !== BIG_ENDIAN) throw new RangeError('no byte order');
  const directory = tiff.getUint32(4, little);
  const count = tiff.getUint16(directory, little);
  const values: number[] = [];
  for (let i = 0, entry = directory + 2; i < count; i++, entry += ENTRY_BYTES) {
    if (tiff.getUint16(entry, little) !== ORIENTATION) continue;
    const type = tiff.getUint16(entry + 2, little);
    const length = tiff.getUint32(entry + 4, little);
    const value = tiff.getUint16(entry + 8, little);
    if (type !== SHORT || length !== 1 || value < 1 || value > 8) throw new RangeError('no orientation');
    values.push(value);
  }
  return values;
}
