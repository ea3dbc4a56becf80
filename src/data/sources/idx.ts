/**
 * MNIST and its relatives (Fashion-MNIST, EMNIST, KMNIST) in the IDX format (http://yann.lecun.com/exdb/mnist/): two
 * zero bytes, the type of the values (0x08: unsigned bytes), the number of dimensions, each extent as a big-endian
 * 32-bit number, then the values, the last dimension fastest.
 */
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { messageOf, UserError } from '../../core/errors.ts';
import { readBytes, readLines } from '../../core/files.ts';
import { grayToRgb } from '../pixels/decode.ts';
import { listFolder } from './folders/file-tree.ts';
import type { ImageSource } from './image-source.ts';
import { checkLabels, pixelSource } from './pixel-source.ts';
import { isFileOfSplit, MissingSplitError, type Split, splitAndSubstitute } from './splits.ts';

const UNSIGNED_BYTE = 0x08;
const IMAGES_FILE = /images[-.]idx3[-.]ubyte(?:\.gz)?$/;
const FASHION = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

/** Whether a file name is that of IDX images (`train-images-idx3-ubyte.gz`). */
export function isIdxImagesName(name: string): boolean {
  return IMAGES_FILE.test(name);
}

/** A file of images and the file of their labels. */
interface Pair {
  readonly images: string;
  readonly labels: string;
  readonly split?: Split;
}

/**
 * Opens the split's pair of files in a folder. If the folder has a single pair without a split's name, every split uses
 * that pair. Validation and test images replace each other if one is missing.
 * @param files the names of the files in the folder
 * @throws UserError when a file is missing, damaged or does not match the other
 */
export async function openIdx(folder: string, files: readonly string[], split: Split): Promise<ImageSource> {
  const pairs = findPairs(folder, files);
  const pair = choosePair(folder, pairs, split);
  const images = await readIdx(pair.images, 3);
  const labels = await readIdx(pair.labels, 1);
  const [count, height, width] = images.shape as [number, number, number];
  if (count !== labels.shape[0]) {
    throw new UserError(
      `${pair.images} has ${count} images, but ${pair.labels} has ${labels.shape[0]} labels; download both again`,
    );
  }
  if (images.values.length === 0) throw new UserError(`${pair.images} holds no pixels; download it again`);
  const classes = await classNames(folder, files, pairs, labels.values);
  checkLabels(labels.values, classes.length, pair.labels);
  const size = height * width;
  return pixelSource({
    location: folder,
    split: pair.split,
    imageName: (index) => `${pair.images} image ${index}`,
    classes,
    classNumbers: labels.values,
    content: [images.values, labels.values],
    image: (index) => ({
      width,
      height,
      pixels: grayToRgb(images.values.subarray(index * size, (index + 1) * size)),
    }),
  });
}

/** Opens a file of images with the labels that belong to it. @throws UserError as openIdx does. */
export async function openIdxFile(path: string): Promise<ImageSource> {
  const folder = dirname(path);
  const { files } = await listFolder(folder);
  const name = basename(path);
  const others = files.filter((file) => !isIdxImagesName(file));
  return openIdx(folder, [name, ...others], splitOf(name) ?? 'train');
}

function findPairs(folder: string, files: readonly string[]): Pair[] {
  return files.filter(isIdxImagesName).map((name) => {
    const wanted = name.replace(/images([-.])idx3/, 'labels$1idx1').replace(/\.gz$/, '');
    const labels = files.find((file) => file.replace(/\.gz$/, '') === wanted);
    if (labels === undefined) {
      throw new UserError(
        `${join(folder, name)} has no label file next to it; add ${join(folder, wanted)} (.gz or not)`,
      );
    }
    return { images: join(folder, name), labels: join(folder, labels), split: splitOf(name) };
  });
}

function splitOf(name: string): Split | undefined {
  return (['train', 'test', 'val'] as const).find((split) => isFileOfSplit(name, split));
}

function choosePair(folder: string, pairs: readonly Pair[], split: Split): Pair {
  for (const wanted of [...splitAndSubstitute(split), undefined]) {
    const found = pairs.filter((pair) => pair.split === wanted);
    // A file and its unpacked copy count as one.
    const distinct = new Set(found.map((pair) => pair.images.replace(/\.gz$/, '')));
    if (distinct.size > 1) {
      throw new UserError(
        `${folder} holds several data sets (${[...distinct].map((path) => basename(path)).join(', ')}); give the path of one images file`,
      );
    }
    if (found[0] !== undefined) return found[0];
  }
  throw new MissingSplitError(
    `${folder} holds no IDX files for the split ${split}; add ${split === 'train' ? 'train' : 't10k'}-images-idx3-ubyte and its labels`,
  );
}

/**
 * The classes, which are the same whichever split is opened: the known names of Fashion-MNIST, those in a mapping file,
 * or numbers up to the largest label of this split and of the training images.
 */
async function classNames(
  folder: string,
  files: readonly string[],
  pairs: readonly Pair[],
  labels: Uint8Array,
): Promise<string[]> {
  if (/fashion-?_?mnist/i.test(folder)) return FASHION;
  let largest = largestOf(labels);
  for (const pair of pairs) {
    if (pair.split === 'train')
      largest = Math.max(largest, largestOf((await readIdx(pair.labels, 1)).values));
  }
  const classes = Array.from({ length: Math.max(2, largest + 1) }, (_, label) => String(label));
  const mapping = files.find((file) => /mapping\.txt$/.test(file));
  return mapping === undefined ? classes : withMapping(classes, join(folder, mapping));
}

/** EMNIST's mapping file: each line has a class number and the character codes of that class. */
async function withMapping(classes: string[], path: string): Promise<string[]> {
  const named = [...classes];
  for (const line of await readLines(path)) {
    const [label = -1, ...codes] = line.trim().split(/\s+/).map(Number);
    if (!(label >= 0 && label < 256) || codes.length === 0 || codes.some(Number.isNaN)) {
      throw new UserError(
        `${path}: the line "${line}" is not a class number and character codes; correct it`,
      );
    }
    named[label] = String.fromCodePoint(...codes);
  }
  return Array.from(named, (name, label) => name ?? String(label));
}

function largestOf(labels: Uint8Array): number {
  return labels.reduce((largest, label) => Math.max(largest, label), 0);
}

async function readIdx(path: string, dimensions: number): Promise<IdxArray> {
  const bytes = await readBytes(path);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return parseIdx(bytes, dimensions, path);
  let unpacked: Buffer;
  try {
    unpacked = await promisify(gunzip)(bytes);
  } catch (error) {
    throw new UserError(
      `${path} is damaged and cannot be unpacked (${messageOf(error)}); download it again`,
      { cause: error },
    );
  }
  return parseIdx(unpacked, dimensions, path);
}

interface IdxArray {
  readonly shape: readonly number[];
  readonly values: Uint8Array;
}

/**
 * Parses an array of unsigned bytes.
 * @param dimensions how many it must have: 3 for images `[count, rows, columns]`, 1 for labels
 * @param path the file's name in error messages
 * @throws UserError naming the file and the fault
 */
export function parseIdx(bytes: Uint8Array, dimensions: number, path: string): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 4 + 4 * dimensions;
  if (bytes.length < 4) throw damaged(path, `it has only ${bytes.length} bytes`);
  const magic = view.getUint32(0);
  const expected = UNSIGNED_BYTE * 256 + dimensions;
  if (magic !== expected) {
    throw damaged(path, `it starts with ${hex(magic)} instead of ${hex(expected)}`);
  }
  if (bytes.length < start) throw damaged(path, 'it ends within its header');
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (bytes.length - start !== size) {
    throw damaged(path, `its header promises ${size} bytes of values, but ${bytes.length - start} follow`);
  }
  return { shape, values: bytes.subarray(start) };
}

function damaged(path: string, what: string): UserError {
  return new UserError(`${path} is not a complete IDX file: ${what}; download it again`);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
