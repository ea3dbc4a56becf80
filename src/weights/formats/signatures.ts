/** First bytes of file formats. Browsers load this module too, so it imports nothing from Node. */

/** The specification's limit for a safetensors header. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Latin-1. */
export const HDF5_SIGNATURE = '\x89HDF\r\n\x1a\n';

const signatures = {
  hdf5: (start) => startsWith(start, HDF5_SIGNATURE),
  zip: (start) => startsWith(start, 'PK\x03\x04'),
  gzip: (start) => startsWith(start, '\x1f\x8b'),
  /** The header's length in 8 bytes, little-endian, then its JSON. */
  safetensors: (start) =>
    start[8] === 0x7b &&
    new DataView(start.buffer, start.byteOffset).getBigUint64(0, true) <= MAX_HEADER_BYTES,
  /** Protocols 2 to 5. */
  pickle: (start) => start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5,
} as const satisfies Record<string, (start: Uint8Array) => boolean>;

export type Signature = keyof typeof signatures;

/** Number of bytes that `hasSignature` needs. */
export const SIGNATURE_BYTES = 9;

export function hasSignature(start: Uint8Array, name: Signature): boolean {
  return signatures[name](start);
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((character, i) => bytes[i] === character.charCodeAt(0));
}
