/** Folders with MNIST's files, or those of its family: Fashion-MNIST, EMNIST, KMNIST. */
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { messageOf, UserError } from '../../../core/errors.ts';
import { readBytes, readLines } from '../../../core/files.ts';
import { greyToRgb } from '../../pixels/decode.ts';
import { listFolder } from '../files.ts';
import { MissingSplitError } from '../missing-split.ts';
import { PixelSource } from '../pixel-source.ts';
import type { Split } from '../source.ts';
import { type IdxArray, parseIdx } from './idx.ts';

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

/** Whether a file is one of IDX images, by its name (`train-images-idx3-ubyte.gz`). */
export function isIdxImagesName(name: string): boolean {
  return IMAGES_FILE.test(name);
}

interface Pair {
  readonly images: string;
  readonly labels: string;
  readonly split: Split | undefined;
}

/**
 * Opens the split's pair of files in a folder; a folder with one pair that names no split gives that.
 * Without validation images the test images serve, and the other way round.
 * @param files the names of the files in the folder
 * @throws UserError when a file is missing, damaged or does not match the other
 */
export async function openIdx(folder: string, files: readonly string[], split: Split): Promise<PixelSource> {
  const pairs = findPairs(folder, files);
  const pair = choosePair(folder, pairs, split);
  const images = parseIdx(await readMaybeGzipped(pair.images), 3, pair.images);
  const labels = parseIdx(await readMaybeGzipped(pair.labels), 1, pair.labels);
  if (images.shape[0] !== labels.shape[0]) {
    throw new UserError(
      `${pair.images} has ${images.shape[0]} images, but ${pair.labels} has ${labels.shape[0]} labels; download both again`,
    );
  }
  if (images.values.length === 0) throw new UserError(`${pair.images} holds no pixels; download it again`);
  const classes = await classNames(folder, files, pairs, labels);
  checkLabels(labels.values, classes.length, pair.labels);
  return new PixelSource({
    location: folder,
    split: pair.split ?? split,
    imageName: (index) => `${pair.images} image ${index}`,
    classes,
    classNumbers: labels.values,
    content: [images.values, labels.values],
    image: imageOf(images),
  });
}

/** Opens the pair that a named images file belongs to. @throws UserError as openIdx does. */
export async function openIdxFile(path: string): Promise<PixelSource> {
  const folder = dirname(path);
  const { files } = await listFolder(folder);
  const name = basename(path);
  const others = files.filter((file) => !isIdxImagesName(file));
  return openIdx(folder, [name, ...others], splitOfName(name) ?? 'train');
}

function imageOf({ shape, values }: IdxArray): (index: number) => {
  width: number;
  height: number;
  pixels: Uint8Array;
} {
  const [, height, width] = shape as [number, number, number];
  const size = height * width;
  return (index) => ({
    width,
    height,
    pixels: greyToRgb(values.subarray(index * size, (index + 1) * size)),
  });
}

function findPairs(folder: string, files: readonly string[]): Pair[] {
  return files.filter(isIdxImagesName).map((name) => {
    const wanted = name.replace(/images([-.])idx3/, 'labels$1idx1').replace(/\.gz$/, '');
    const labels = files.find((file) => file.replace(/\.gz$/, '') === wanted);
    if (labels === undefined) {
      throw new UserError(
        `${join(folder, name)} has no labels beside it; add ${join(folder, wanted)} (.gz or not)`,
      );
    }
    return { images: join(folder, name), labels: join(folder, labels), split: splitOfName(name) };
  });
}

function splitOfName(name: string): Split | undefined {
  if (/train/.test(name)) return 'train';
  if (/t10k|test/.test(name)) return 'test';
  return /val/.test(name) ? 'val' : undefined;
}

function choosePair(folder: string, pairs: readonly Pair[], split: Split): Pair {
  const order: (Split | undefined)[] =
    split === 'train' ? ['train', undefined] : [split, split === 'val' ? 'test' : 'val', undefined];
  for (const wanted of order) {
    const found = pairs.filter((pair) => pair.split === wanted);
    // A file and its unpacked copy are one.
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

/** The same classes whichever split is opened: from names that are known, a mapping file or the labels of all pairs. */
async function classNames(
  folder: string,
  files: readonly string[],
  pairs: readonly Pair[],
  labels: IdxArray,
): Promise<string[]> {
  if (/fashion-?_?mnist/i.test(folder)) return FASHION;
  let largest = largestOf(labels.values);
  for (const pair of pairs) {
    if (pair.split === 'train') {
      largest = Math.max(
        largest,
        largestOf(parseIdx(await readMaybeGzipped(pair.labels), 1, pair.labels).values),
      );
    }
  }
  const classes = Array.from({ length: Math.max(2, largest + 1) }, (_, label) => String(label));
  const mapping = files.find((file) => /mapping\.txt$/.test(file));
  return mapping === undefined ? classes : withMapping(classes, join(folder, mapping));
}

/** EMNIST's mapping file: a line a class, its number and the character codes that it stands for. */
async function withMapping(classes: string[], path: string): Promise<string[]> {
  const named = [...classes];
  for (const line of await readLines(path)) {
    const [label, ...codes] = line.trim().split(/\s+/).map(Number);
    if (
      label === undefined ||
      !(label >= 0 && label < 256) ||
      codes.length === 0 ||
      codes.some(Number.isNaN)
    ) {
      throw new UserError(
        `${path}: the line "${line}" is not a class number and character codes; correct it`,
      );
    }
    named[label] = String.fromCodePoint(...codes);
  }
  return Array.from(named, (name, label) => name ?? String(label));
}

function checkLabels(labels: Uint8Array, classes: number, name: string): void {
  const bad = labels.findIndex((label) => label >= classes);
  if (bad >= 0) {
    throw new UserError(
      `${name}: label ${labels[bad]} of image ${bad} is not one of the ${classes} classes (0 to ${classes - 1}); download it again`,
    );
  }
}

function largestOf(labels: Uint8Array): number {
  return labels.reduce((largest, label) => Math.max(largest, label), 0);
}

async function readMaybeGzipped(path: string): Promise<Uint8Array> {
  const bytes = await readBytes(path);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes);
  } catch (error) {
    throw new UserError(
      `${path} is damaged and cannot be unpacked (${messageOf(error)}); download it again`,
      {
        cause: error,
      },
    );
  }
}
