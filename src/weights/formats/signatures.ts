/** First bytes of file formats. Browsers load this module too, so it imports nothing from Node. */

/** The specification's limit for a safetensors header. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Latin-1. */
export const HDF5_SIGNATURE = '\x89HDF\r\n\x1a\n';

const signatures = {
  hdf5: (start) => startsWith(start, HDF5_SIGNATURE),
  zip: (start) => startsWith(start, 'PK\x03\x04'),
  npy: (start) => startsWith(start, '\x93NUMPY'),
  /** Level 5; version 7.3 is HDF5 after such a header. */
  mat: (start) => startsWith(start, 'MATLAB 5'),
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

/** Number of bytes that `lookalikeOf` needs. */
export const LOOKALIKE_BYTES = 512;

interface Lookalike {
  readonly matches: (start: Uint8Array, text: string) => boolean;
  /** Completes "FILE is …". */
  readonly description: string;
  readonly remedy: string;
}

const UNPACK = 'unpack it and give the model file in it';

/** Files that are given or saved in place of weights. */
const lookalikes: readonly Lookalike[] = [
  {
    matches: (_, text) => /^\s*<(!doctype|html|head|\?xml|body|script)/i.test(text),
    description: 'a web page or XML, which a failed download may have left',
    remedy: 'download the model file again, from the address of the file itself',
  },
  {
    matches: (_, text) => text.startsWith('version https://git-lfs.github.com/spec/'),
    description: 'a Git LFS pointer, not the file that it stands for',
    remedy: 'run `git lfs pull` in the repository, or download the file itself',
  },
  {
    matches: (_, text) =>
      /^\s*(Access denied|Not Found|Invalid username or password|Entry not found)/i.test(text),
    description: "a server's error message",
    remedy: 'download the model file again',
  },
  {
    matches: (_, text) => /^\s*[{[]\s*("|\{|\[|\]|\}|-?\d)/.test(text),
    description: 'a JSON file',
    remedy: 'give the file of weights that belongs to it',
  },
  {
    matches: (_, text) =>
      /^(#[^\n]*\n|\s)*(name\s*:\s*"|layers?\s*\{|input\s*:\s*")/.test(text) && isText(text),
    description: "Caffe's description of a network, without weights",
    remedy: 'give the .caffemodel that belongs to it',
  },
  {
    matches: (start) => hasSignature(start, 'npy'),
    description: 'a single NumPy array',
    remedy:
      'save all arrays of the network with numpy.savez (.npz), or put their .npy files into one folder and give the folder',
  },
  {
    matches: (_, text) => text.startsWith('MATLAB 7.3 MAT-file'),
    description: 'a MATLAB 7.3 file, which is not supported',
    remedy: "save it again in MATLAB with save('net.mat', '-struct', 'net', '-v7')",
  },
  {
    matches: (start) => hasSignature(start, 'gzip'),
    description: 'a gzip archive',
    remedy: 'unpack it with gunzip or tar -xzf, and give the model file in it',
  },
  { matches: (_, text) => /^BZh[1-9]1AY&SY/.test(text), description: 'a bzip2 archive', remedy: UNPACK },
  { matches: (_, text) => text.startsWith('\xfd7zXZ\0'), description: 'an xz archive', remedy: UNPACK },
  {
    matches: (_, text) => text.startsWith('\x28\xb5\x2f\xfd'),
    description: 'a zstd archive',
    remedy: UNPACK,
  },
  {
    matches: (_, text) => text.startsWith("7z\xbc\xaf'\x1c"),
    description: 'a 7-Zip archive',
    remedy: UNPACK,
  },
  { matches: (_, text) => text.startsWith('Rar!\x1a\x07'), description: 'a RAR archive', remedy: UNPACK },
  { matches: (_, text) => text.startsWith('ustar', 257), description: 'a tar archive', remedy: UNPACK },
  {
    matches: (_, text) => /^(\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a)/.test(text) || /^RIFF....WEBP/s.test(text),
    description: 'an image',
    remedy: 'give a model file with --model, and images as arguments',
  },
  {
    matches: (_, text) => text.startsWith('TFL3', 4),
    description: 'a TensorFlow Lite model, which is not supported',
    remedy: 'save the Keras model that it was made from with model.save("model.keras")',
  },
  {
    matches: (_, text) => text.startsWith('ORTM', 4),
    description: "a model in ONNX Runtime's own format, which is not supported",
    remedy: 'give the .onnx file that it was made from',
  },
  {
    matches: (_, text) => text.startsWith('GGUF'),
    description: 'a GGUF file, which holds language models',
    remedy: 'give a file with the weights of a VGG network',
  },
];

/** Why a file is not weights, with the remedy, or undefined. @param start its first `LOOKALIKE_BYTES` bytes */
export function lookalikeOf(start: Uint8Array): { description: string; remedy: string } | undefined {
  const text = String.fromCharCode(...start.subarray(0, LOOKALIKE_BYTES));
  return lookalikes.find(({ matches }) => matches(start, text));
}

function isText(text: string): boolean {
  return !/[^\t\n\r -~]/.test(text);
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((character, i) => bytes[i] === character.charCodeAt(0));
}
