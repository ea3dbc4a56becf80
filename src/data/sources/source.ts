/**
 * Where labelled images come from. A source lists them and hands out their bytes; decoding, rescaling and
 * augmentation happen elsewhere. 1.3 million images must be listed in seconds to a minute and held in some
 * tens of bytes each, so a source gives facts by number instead of holding an object an image.
 */
export interface ImageSource {
  /** What the person named, for messages. */
  readonly location: string;
  /** Which part of a divided data set this is; absent where the location holds one undivided set. */
  readonly split?: Split;
  /** Classes in label order: folder names, synsets, digits. */
  readonly classes: readonly string[];
  /** Names for people, in label order, where the source has them (else the same as `classes`). */
  readonly labels: readonly string[];
  readonly length: number;
  /** From 0 to classes − 1; −1 where the image has no label. */
  label(index: number): number;
  /** A path or a name with a number, for messages and prediction files. */
  imageName(index: number): string;
  /**
   * The image's bytes.
   * @throws UserError naming the file when it cannot be read.
   */
  read(index: number): Promise<StoredImage>;
  /** Changes when the images, their order or their labels do: a hash over names, sizes, times, labels. */
  fingerprint(): Promise<string>;
  close?(): Promise<void>;
}

/** The parts of a data set. */
export type Split = 'train' | 'val' | 'test';

/** An image as it is stored. */
export type StoredImage =
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  | { readonly kind: 'pixels'; readonly image: RgbImage };

/** Upright 8-bit RGB, `[height, width, 3]`. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
  /** The size of the file's image, where less of it was decoded: what proportions are taken from. */
  readonly original?: { readonly width: number; readonly height: number };
}
