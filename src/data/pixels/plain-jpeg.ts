/**
 * The fast path for most JPEGs: upright, three channels or gray, undamaged, and without a color profile unless it is
 * ignored. libjpeg-turbo alone decodes them to the same pixels as sharp, which calls that library in a pipeline that takes several times as
 * long. sharp decodes all others (decode.ts).
 */
import type { ColorProfiles } from '../../core/image-preparation.ts';
import type { RgbImage } from '../sources/image-source.ts';
import { exifOrientation } from './exif-orientation.ts';
import { imageAddon, QUICK_PIXELS } from './image-addon.ts';
import type { Size } from './resample.ts';

/** Most files with few pixels are much smaller; a larger one may take longer than its number of pixels suggests. */
const QUICK_BYTES = 2 ** 17;

/** A file that starts like a plain JPEG. */
interface PlainJpeg extends Size {
  readonly bytes: Uint8Array;
  /** Whether decoding may take many passes over the image. */
  readonly progressive: boolean;
}

/** Reads the header. @returns undefined for anything but a plain JPEG, and without the addon or its libjpeg-turbo */
export function asPlainJpeg(
  bytes: Uint8Array,
  colorProfiles: ColorProfiles = 'ignore',
): PlainJpeg | undefined {
  const header = imageAddon()?.jpegHeader?.(bytes);
  if (header === undefined) return undefined;
  const { exif, extended, ...facts } = header;
  // An APP2 segment may be a part of a profile.
  if (extended && colorProfiles === 'convert') return undefined;
  const upright = exif === undefined || exifOrientation(exif) === 1;
  return upright ? { ...facts, bytes } : undefined;
}

/** Decodes the image. @returns undefined if any of it is damaged or missing */
export async function decodePlainJpeg(jpeg: PlainJpeg): Promise<RgbImage | undefined> {
  const { bytes, width, height, progressive } = jpeg;
  const addon = imageAddon()!;
  const isQuick = !progressive && width * height <= QUICK_PIXELS && bytes.length <= QUICK_BYTES;
  const pixels = isQuick
    ? addon.decodeJpeg(bytes, width, height)
    : await addon.decodeJpegLater(bytes, width, height);
  return pixels && { width, height, pixels };
}
