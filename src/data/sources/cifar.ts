/**
 * CIFAR-10 and CIFAR-100 in the binary version (https://www.cs.toronto.edu/~kriz/cifar.html): records of
 * one label byte (CIFAR-100: coarse, then fine), then 32×32 pixels as planes of red, green and blue.
 */
import { join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { kindOf, readBytes, readLines } from '../../core/files.ts';
import type { Listing } from './files.ts';
import { PixelSource } from './pixel-source.ts';
import type { RgbImage, Split } from './source.ts';

const SIDE = 32;
const PLANE = SIDE * SIDE;

/** One of the two data sets, as its files say. */
interface Variant {
  readonly folder: string;
  readonly classes: number;
  /** Bytes before the pixels; the last of them is the label. */
  readonly labelBytes: number;
  readonly names: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
}

const VARIANTS: readonly Variant[] = [
  {
    folder: 'cifar-10-batches-bin',
    classes: 10,
    labelBytes: 1,
    names: 'batches.meta.txt',
    train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
    test: ['test_batch.bin'],
  },
  {
    folder: 'cifar-100-binary',
    classes: 100,
    labelBytes: 2,
    names: 'fine_label_names.txt',
    train: ['train.bin'],
    test: ['test.bin'],
  },
];

/** Where CIFAR's files are, if they are in this folder or in the one that the archive unpacks to. */
export interface FoundCifar {
  readonly folder: string;
  readonly variant: Variant;
}

export function findCifar(location: string, { files, folders }: Listing): FoundCifar | undefined {
  for (const variant of VARIANTS) {
    // Both name files must not be taken for a data set, so some images have to be there.
    const here = [...variant.train, ...variant.test].some((name) => files.includes(name));
    if (here && files.includes(variant.names)) return { folder: location, variant };
    if (folders.includes(variant.folder)) return { folder: join(location, variant.folder), variant };
  }
  return undefined;
}

/** Opens the training images, or the test images for any other split. @throws UserError naming the file. */
export async function openCifar({ folder, variant }: FoundCifar, split: Split): Promise<PixelSource> {
  const namesPath = join(folder, variant.names);
  const classes = (await readLines(namesPath)).map((line) => line.trim());
  if (classes.length !== variant.classes) {
    throw new UserError(
      `${namesPath} names ${classes.length} classes instead of ${variant.classes}; unpack the archive again`,
    );
  }
  const names = split === 'train' ? variant.train : variant.test;
  const paths = names.map((name) => join(folder, name));
  const parts: CifarImages[] = [];
  for (const path of paths) {
    if ((await kindOf(path)) === 'nothing') {
      throw new UserError(`${path} is missing; unpack the archive again`);
    }
    parts.push(parseCifar(await readBytes(path), variant, path));
  }
  return new PixelSource({
    location: folder,
    split: split === 'train' ? 'train' : 'test',
    classes,
    ...joinParts(parts, paths),
  });
}

/** The images of one file. */
export interface CifarImages {
  /** `[count]` */
  readonly labels: Uint8Array;
  /** `[count, labelBytes + 3 · 32 · 32]` */
  readonly records: Uint8Array;
  readonly labelBytes: number;
}

/**
 * @param path what error messages call the file
 * @throws UserError when the file does not hold whole records or a label is out of range
 */
export function parseCifar(
  bytes: Uint8Array,
  { classes, labelBytes }: { classes: number; labelBytes: number },
  path: string,
): CifarImages {
  const record = labelBytes + 3 * PLANE;
  if (bytes.length === 0 || bytes.length % record !== 0) {
    throw new UserError(
      `${path} has ${bytes.length} bytes, which is no whole number of images of ${record} bytes; unpack the archive again`,
    );
  }
  const labels = Uint8Array.from(
    { length: bytes.length / record },
    (_, i) => bytes[i * record + labelBytes - 1]!,
  );
  const bad = labels.findIndex((label) => label >= classes);
  if (bad >= 0) {
    throw new UserError(
      `${path}: label ${labels[bad]} of image ${bad} is not one of the ${classes} classes (0 to ${classes - 1}); unpack the archive again`,
    );
  }
  return { labels, records: bytes, labelBytes };
}

/** One image's planes as interleaved pixels. */
export function cifarImage({ records, labelBytes }: CifarImages, index: number): RgbImage {
  const start = index * (labelBytes + 3 * PLANE) + labelBytes;
  const pixels = new Uint8Array(3 * PLANE);
  for (let i = 0; i < PLANE; i++) {
    pixels[3 * i] = records[start + i]!;
    pixels[3 * i + 1] = records[start + PLANE + i]!;
    pixels[3 * i + 2] = records[start + 2 * PLANE + i]!;
  }
  return { width: SIDE, height: SIDE, pixels };
}

function joinParts(parts: readonly CifarImages[], paths: readonly string[]) {
  const classNumbers = Uint8Array.from(parts.flatMap((part) => [...part.labels]));
  const starts: number[] = [];
  let count = 0;
  for (const part of parts) {
    starts.push(count);
    count += part.labels.length;
  }
  const partOf = (index: number): number => starts.findLastIndex((start) => start <= index);
  return {
    classNumbers,
    content: parts.map((part) => part.records),
    imageName: (index: number) => `${paths[partOf(index)]} image ${index - starts[partOf(index)]!}`,
    image: (index: number) => cifarImage(parts[partOf(index)]!, index - starts[partOf(index)]!),
  };
}
