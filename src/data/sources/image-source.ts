import type { Box } from '../../core/boxes.ts';
import type { ColorProfiles } from '../../core/image-preparation.ts';
import type { FileTree } from './folders/file-tree.ts';
import type { UnusedFiles } from './folders/unused-files.ts';
import type { ListOptions } from './lists/list-location.ts';
import type { Split } from './splits.ts';

/** What to open, with all defaults applied; see OpenOptions. */
export interface OpenRequest {
  /** The path that was given, for messages. */
  readonly location: string;
  readonly split: Split;
  /** Where the data set is. */
  readonly tree: FileTree;
  readonly labels: 'required' | 'optional';
  readonly oneClass?: boolean;
  readonly cacheFolder?: string;
  /** Options of a list. */
  readonly list?: ListOptions;
}

/**
 * Labeled images. A source lists them and returns their bytes; decoding, rescaling and augmentation happen elsewhere.
 * Listing 1.3 million images must take seconds to a minute and a few tens of bytes each, so a source answers by image
 * number instead of holding an object for each image. A source is a plain object whose functions do not use `this`.
 * @example
 * const source = await openImages('photos', { split: 'val' });
 * for (let i = 0; i < source.length; i++) console.log(source.imageName(i), source.classes[source.label(i)]);
 */
export interface ImageSource {
  /** The path that was opened, for messages. */
  readonly location: string;
  /** Which split of a divided data set this is; undefined if the data set is not divided. */
  readonly split?: Split;
  /** Classes in label order: folder names, synsets, digits. */
  readonly classes: readonly string[];
  /** Human-readable names in label order, if the source has them (otherwise the same as `classes`). */
  readonly labels: readonly string[];
  /** Files that were not used, by extension (`.heic`); undefined for sources that are not folders. */
  readonly unused?: UnusedFiles;
  /** What happened to the color profiles of images that `vgg pack` shrank, if these are some. */
  readonly packedColorProfiles?: ColorProfiles;
  /** Number of images. */
  readonly length: number;
  /** Class number from 0 to classes − 1; −1 if the image has no label. */
  label(index: number): number;
  /** A path or a name with a number, for messages and prediction files. */
  imageName(index: number): string;
  /**
   * The boxes of an image's objects of its class, at least one; only sources that were opened for localization have them.
   * @param size of the image as stored, in pixels
   * @throws UserError naming the annotation of a box outside the image
   */
  boxes?(index: number, size: { readonly width: number; readonly height: number }): readonly Box[];
  /** The image as stored. @throws UserError naming the file when it cannot be read. */
  read(index: number): Promise<StoredImage>;
  /** Changes when the images, their order or their labels do: a hash over names, sizes, times and labels. */
  fingerprint(): Promise<string>;
}

/** An image as it is stored: the bytes of a JPEG, PNG, WebP or AVIF file, or pixels. */
export type StoredImage =
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  | { readonly kind: 'pixels'; readonly image: RgbImage };

/** Upright 8-bit RGB, `[height, width, 3]`. */
export interface RgbImage {
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  readonly pixels: Uint8Array;
  /** The image's size in the file if it was shrunk during decoding; it gives the exact aspect ratio. */
  readonly original?: { readonly width: number; readonly height: number };
}
