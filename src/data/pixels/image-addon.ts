/** The addon native/images: what of images must run at the speed of the hardware. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf, UserError } from '../../core/errors.ts';
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

/** What a JPEG that is nothing special says of itself. */
export interface JpegHeader {
  /** As stored, before Exif's orientation. */
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  /** The beginning of an Exif segment, from its signature on; at most 2 KiB. */
  readonly exif?: Uint8Array;
}

/** Rechecks memory safety only. What ends in Later is done on a thread of libuv's; inputs must not change meanwhile. */
export interface ImageAddon {
  resample(...job: ResampleJob): Uint8Array;
  resampleLater(...job: ResampleJob): Promise<Uint8Array>;
  /** undefined unless the file has 8 bits, one or three channels, Huffman's code and no segment APP2. */
  jpegHeader(bytes: Uint8Array): JpegHeader | undefined;
  /** `[height, width, 3]`, as stored; undefined when any of it is damaged or missing. Sizes are the header's. */
  decodeJpeg(bytes: Uint8Array, width: number, height: number): Uint8Array | undefined;
  decodeJpegLater(bytes: Uint8Array, width: number, height: number): Promise<Uint8Array | undefined>;
}

let loaded: ImageAddon | undefined;

/** @throws UserError when it has not been built. */
export function imageAddon(): ImageAddon {
  if (loaded) return loaded;
  const file = join(projectFolder, 'build/images/verydeep_images.node');
  try {
    loaded = createRequire(import.meta.url)(file) as ImageAddon;
    return loaded;
  } catch (error) {
    throw new UserError(
      `the addon for images does not load (${messageOf(error).split('\n')[0]}); build it with \`npm run setup\``,
      { cause: error },
    );
  }
}

/** What takes less than some tenths of a millisecond is done at once: another thread would take longer to hear of it. */
export const QUICK_PIXELS = 2 ** 16;
