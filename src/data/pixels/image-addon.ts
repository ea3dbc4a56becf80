/** The addon native/images: image processing that must run at hardware speed. */
import { join } from 'node:path';
import { ADDON_REMEDY, type FoundAddon, findAddon, formatAttempts } from '../../core/platform-addon.ts';
import { projectFolder } from '../../core/project.ts';

export type TapArrays = readonly [starts: Int32Array, counts: Int32Array, weights: Int32Array];

export type ResampleJob = [
  pixels: Uint8Array,
  width: number,
  height: number,
  across: TapArrays,
  down: TapArrays,
  left: number,
  top: number,
  columns: number,
  rows: number,
];

/** The header of a plain JPEG. */
interface JpegHeader {
  /** As stored, before the Exif orientation is applied. */
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  /** Whether it has an APP2 segment: a color profile, a gain map or further images. */
  readonly extended: boolean;
  /** The start of an Exif segment, from its signature on; at most 2 KiB. */
  readonly exif?: Uint8Array;
}

/** Without jpegHeader if it was built without libjpeg-turbo. Checks memory safety only. Functions ending in Later run on a libuv thread; their inputs must not change meanwhile. */
interface ImageAddon {
  resample(...job: ResampleJob): Uint8Array;
  resampleLater(...job: ResampleJob): Promise<Uint8Array>;
  /** undefined unless the file has 8 bits, one or three channels and Huffman coding. */
  jpegHeader?(bytes: Uint8Array): JpegHeader | undefined;
  /** `[height, width, 3]`, as stored; undefined if any of it is damaged or missing. The size is that in the header. */
  decodeJpeg(bytes: Uint8Array, width: number, height: number): Uint8Array | undefined;
  decodeJpegLater(bytes: Uint8Array, width: number, height: number): Promise<Uint8Array | undefined>;
}

let found: FoundAddon<ImageAddon> | undefined;

/** Undefined if none loads; a note on stderr then says so once, and JavaScript and sharp compute the same pixels. */
export function imageAddon(): ImageAddon | undefined {
  if (found) return found.addon;
  found = findImageAddon();
  const { addon, tried } = found;
  if (!addon) {
    console.warn(
      `No image addon loads (tried ${formatAttempts(tried)}), so images are read more slowly: ${ADDON_REMEDY}.`,
    );
  }
  return addon;
}

/** Looks for the addon in the project's own build, then in the platform's package. */
export function findImageAddon(): FoundAddon<ImageAddon> {
  return findAddon(join(projectFolder, 'build/images/verydeep_images.node'), 'verydeep_images.node');
}

/** Work on fewer pixels takes at most a few tenths of a millisecond, less than handing it to another thread. */
export const QUICK_PIXELS = 2 ** 16;
