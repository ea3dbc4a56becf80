import { createHash } from 'node:crypto';
import { UserError } from '../../core/errors.ts';
import type { ImageSource, RgbImage } from './image-source.ts';
import type { Split } from './splits.ts';

interface PixelSourceOptions {
  readonly location: string;
  /** Undefined if the files are not divided. */
  readonly split?: Split;
  /** The file of an image and its number there. */
  readonly imageName: (index: number) => string;
  readonly classes: readonly string[];
  /** `[count]` */
  readonly classNumbers: Uint8Array;
  /** The files' bytes, from which the images and labels were read. */
  readonly content: readonly Uint8Array[];
  readonly image: (index: number) => RgbImage;
}

/** A source of small images that are all in memory: IDX and CIFAR. */
export function pixelSource(options: PixelSourceOptions): ImageSource {
  const { location, split, imageName, classes, classNumbers, content, image } = options;
  let fingerprint: string | undefined;
  /** Hashes all the content: it is in memory, so no shortcut is needed. */
  const computeFingerprint = (): string => {
    const hash = createHash('sha256').update(`pixels\0${classes.join('\0')}\0\0`);
    for (const bytes of content) hash.update(bytes);
    return hash.digest('hex');
  };
  return {
    location,
    split,
    classes,
    labels: classes,
    length: classNumbers.length,
    label: (index) => classNumbers[index]!,
    imageName,
    read: async (index) => ({ kind: 'pixels', image: image(index) }),
    fingerprint: async () => (fingerprint ??= computeFingerprint()),
  };
}

/** @throws UserError unless every label is below `classes` */
export function checkLabels(labels: Uint8Array, classes: number, path: string): void {
  const bad = labels.findIndex((label) => label >= classes);
  if (bad < 0) return;
  throw new UserError(
    `${path}: label ${labels[bad]} of image ${bad} is not one of the ${classes} classes (0 to ${classes - 1}); download it again`,
  );
}
