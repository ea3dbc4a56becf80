/**
 * CIFAR-10 and CIFAR-100 in the binary version (https://www.cs.toronto.edu/~kriz/cifar.html): each record has one label
 * byte (CIFAR-100: coarse, then fine), then 32×32 pixels as planes of red, green and blue.
 */
import { join } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { kindOf, readBytes, readLines } from '../../core/files.ts';
import type { Listing } from './folders/file-tree.ts';
import type { ImageSource, RgbImage } from './image-source.ts';
import { checkLabels, pixelSource } from './pixel-source.ts';
import type { Split } from './splits.ts';

const SIDE = 32;
const PLANE = SIDE * SIDE;

/** The files of CIFAR-10 or CIFAR-100. */
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

/** Finds CIFAR's files: in this folder or in the one that the archive unpacks to. */
interface FoundCifar {
  readonly folder: string;
  readonly variant: Variant;
}

export function findCifar(location: string, { files, folders }: Listing): FoundCifar | undefined {
  for (const variant of VARIANTS) {
    // A file of class names alone is not a data set.
    const here = [...variant.train, ...variant.test].some((name) => files.includes(name));
    if (here && files.includes(variant.names)) return { folder: location, variant };
    if (folders.includes(variant.folder)) return { folder: join(location, variant.folder), variant };
  }
  return undefined;
}

/** Opens the training images, or the test images for any other split. @throws UserError naming the file. */
export async function openCifar({ folder, variant }: FoundCifar, split: Split): Promise<ImageSource> {
  const namesPath = join(folder, variant.names);
  const classes = (await readLines(namesPath)).map((line) => line.trim());
  if (classes.length !== variant.classes) {
    throw new UserError(
      `${namesPath} names ${classes.length} classes instead of ${variant.classes}; unpack the archive again`,
    );
  }
  const own = split === 'train' ? 'train' : 'test';
  const parts: CifarFile[] = [];
  for (const name of variant[own]) {
    const path = join(folder, name);
    if ((await kindOf(path)) === 'nothing') {
      throw new UserError(`${path} is missing; unpack the archive again`);
    }
    parts.push(parseCifar(await readBytes(path), variant, path));
  }
  return joinFiles(folder, own, classes, parts);
}

/** The images of one file. */
interface CifarFile {
  readonly path: string;
  /** `[count]` */
  readonly labels: Uint8Array;
  /** `[count, labelBytes + 3 · 32 · 32]` */
  readonly records: Uint8Array;
  readonly labelBytes: number;
}

/** @throws UserError when the file is not a whole number of records or a label is out of range */
export function parseCifar(
  records: Uint8Array,
  { classes, labelBytes }: Pick<Variant, 'classes' | 'labelBytes'>,
  path: string,
): CifarFile {
  const record = labelBytes + 3 * PLANE;
  if (records.length === 0 || records.length % record !== 0) {
    throw new UserError(
      `${path} has ${records.length} bytes, which is not a whole number of images of ${record} bytes; unpack the archive again`,
    );
  }
  const labels = Uint8Array.from(
    { length: records.length / record },
    (_, i) => records[i * record + labelBytes - 1]!,
  );
  checkLabels(labels, classes, path);
  return { path, labels, records, labelBytes };
}

/** One image, its planes interleaved. */
export function cifarImage({ records, labelBytes }: CifarFile, index: number): RgbImage {
  const start = index * (labelBytes + 3 * PLANE) + labelBytes;
  const pixels = new Uint8Array(3 * PLANE);
  for (let i = 0; i < PLANE; i++) {
    pixels[3 * i] = records[start + i]!;
    pixels[3 * i + 1] = records[start + PLANE + i]!;
    pixels[3 * i + 2] = records[start + 2 * PLANE + i]!;
  }
  return { width: SIDE, height: SIDE, pixels };
}

function joinFiles(
  location: string,
  split: Split,
  classes: readonly string[],
  files: readonly CifarFile[],
): ImageSource {
  /** The file of an image and its number there. */
  const find = (index: number): [file: CifarFile, index: number] => {
    let number = index;
    for (const file of files) {
      if (number < file.labels.length) return [file, number];
      number -= file.labels.length;
    }
    throw new RangeError(`no image ${index} in ${location}`);
  };
  return pixelSource({
    location,
    split,
    classes,
    classNumbers: Uint8Array.from(files.flatMap(({ labels }) => [...labels])),
    content: files.map(({ records }) => records),
    imageName: (index) => {
      const [{ path }, number] = find(index);
      return `${path} image ${number}`;
    },
    image: (index) => cifarImage(...find(index)),
  });
}
