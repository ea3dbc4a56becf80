/**
 * Decodes JPEG, PNG, WebP and AVIF files to upright 8-bit RGB. Grayscale, CMYK, palettes and 16 bits become 8-bit RGB, an
 * embedded color profile is ignored or applied, and transparency becomes white. sharp (libvips) decodes files and
 * describes what is wrong with them; libjpeg-turbo decodes plain JPEGs (plain-jpeg.ts).
 */
import sharp, { type Sharp } from 'sharp';
import { messageOf, printable, UserError } from '../../core/errors.ts';
import type { ColorProfiles } from '../../core/image-preparation.ts';
import type { RgbImage, StoredImage } from '../sources/image-source.ts';
import { cmykToRgb } from './cmyk.ts';
import { DEFAULT_MAX_PIXELS, imageExtension, setReadsHeic, unsupportedFormat } from './image-formats.ts';
import { asPlainJpeg, decodePlainJpeg } from './plain-jpeg.ts';
import { rescaledSize, type Size } from './resample.ts';

// Many images are decoded at once, and none twice in a row.
sharp.cache(false);
sharp.concurrency(1);
// sharp's own libvips decodes AVIF but not HEVC, the usual codec of HEIC; a libvips of the system may decode both.
setReadsHeic(sharp.format.heif.input.fileSuffix?.includes('.heic') ?? false);

/** The image has more pixels than the limit; it was rejected before it was decoded. */
export class TooManyPixelsError extends UserError {
  override name = 'TooManyPixelsError';
}

export interface DecodeOptions {
  /** Images with more pixels are rejected before they are decoded (default: 100 million). */
  readonly maxPixels?: number;
  /**
   * The largest smaller side that the image will be rescaled to, in pixels. A much larger JPEG is then not decoded
   * whole: libjpeg leaves out the detail that rescaling would average away, in a fraction of the time.
   */
  readonly largestSide?: number;
  /** Default `ignore`. */
  readonly colorProfiles?: ColorProfiles;
}

/** A much larger image is shrunk while it is decoded, to this many times the size that it is rescaled to. */
const SPARE_DETAIL = 2;
/** How many times that size the smaller side of such an image must be: below it, libjpeg leaves nothing out. */
const MUCH_LARGER = 6;
/** Files with fewer bytes are decoded whole: that is quick, and reading the image's size first takes time, too. */
const SMALL_FILE = 100_000;

/**
 * Decodes one image. Missing or damaged data is an error, never silently gray.
 * @param bytes a JPEG, PNG, WebP or AVIF file; of an animation, the first frame is decoded
 * @param path the image's name in error messages
 * @throws UserError naming the image when it is empty, damaged, of another format or larger than maxPixels
 */
export async function decodeImage(
  bytes: Uint8Array,
  path: string,
  { maxPixels = DEFAULT_MAX_PIXELS, largestSide, colorProfiles = 'ignore' }: DecodeOptions = {},
): Promise<RgbImage> {
  const name = printable(path);
  refuseOtherFormats(bytes, name);
  const how = { maxPixels, largestSide, colorProfiles };
  const image = await decodeIfPlain(bytes, how);
  if (image) return image;
  try {
    return await decodeStrictly(bytes, 'warning', how);
  } catch (error) {
    if (LOST_PIXELS.test(messageOf(error))) throw decodingError(error, name, maxPixels);
  }
  try {
    return await decodeStrictly(bytes, 'truncated', how);
  } catch (error) {
    throw decodingError(error, name, maxPixels);
  }
}

interface CompleteOptions extends DecodeOptions {
  readonly maxPixels: number;
  readonly colorProfiles: ColorProfiles;
}

/** @returns undefined unless the image is a plain JPEG that is decoded at its full size */
async function decodeIfPlain(
  bytes: Uint8Array,
  { maxPixels, largestSide, colorProfiles }: CompleteOptions,
): Promise<RgbImage | undefined> {
  const jpeg = asPlainJpeg(bytes, colorProfiles);
  if (jpeg === undefined || jpeg.width * jpeg.height > maxPixels) return undefined;
  if (mayBeShrunk(bytes, largestSide) && isMuchLarger(jpeg, largestSide)) return undefined;
  return decodePlainJpeg(jpeg);
}

/**
 * libjpeg warnings after which part of the image is made up, mostly gray. After others, such as stray bytes between
 * segments (as in some ImageNet images), the image is correct.
 */
const LOST_PIXELS = /premature end|bad (?:huffman|arithmetic) code|instead of RST/i;

async function decodeStrictly(
  bytes: Uint8Array,
  failOn: 'warning' | 'truncated',
  { maxPixels, largestSide, colorProfiles }: CompleteOptions,
): Promise<RgbImage> {
  const ignoreIcc = colorProfiles === 'ignore';
  const input = sharp(bytes, { failOn, limitInputPixels: maxPixels, ignoreIcc }).autoOrient();
  const shrunk = mayBeShrunk(bytes, largestSide) ? await shrunkSize(input, largestSide) : undefined;
  const sized = shrunk ? input.resize({ ...shrunk.size, fit: 'fill', kernel: 'linear' }) : input;
  const colored = (await hasBareInks(bytes, input, colorProfiles))
    ? sized.pipelineColourspace('cmyk').toColourspace('cmyk')
    : sized.flatten({ background: '#ffffff' }).toColourspace('srgb');
  const { data, info } = await colored.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const image = { width: info.width, height: info.height, pixels: toThreeChannels(data, info.channels) };
  return shrunk ? { ...image, original: shrunk.original } : image;
}

/** Whether an image is in CMYK and has no profile that is applied. */
async function hasBareInks(bytes: Uint8Array, input: Sharp, colorProfiles: ColorProfiles): Promise<boolean> {
  if (imageExtension(bytes) !== 'jpg') return false;
  const { space, hasProfile } = await input.metadata();
  return space === 'cmyk' && !(hasProfile && colorProfiles === 'convert');
}

function mayBeShrunk(bytes: Uint8Array, largestSide: number | undefined): largestSide is number {
  return largestSide !== undefined && bytes.length >= SMALL_FILE;
}

function isMuchLarger({ width, height }: Size, largestSide: number): boolean {
  return Math.min(width, height) >= MUCH_LARGER * largestSide;
}

/** The size that a large JPEG is shrunk to during decoding. */
async function shrunkSize(
  input: Sharp,
  largestSide: number,
): Promise<{ readonly size: Size; readonly original: Size } | undefined> {
  const { format, autoOrient } = await input.metadata();
  const { width, height } = autoOrient;
  const original = { width, height };
  if (format !== 'jpeg' || !isMuchLarger(original, largestSide)) return undefined;
  return { size: rescaledSize(width, height, SPARE_DETAIL * largestSide), original };
}

/** Decodes an image of a source; stored pixels are returned as they are. @throws UserError as decodeImage does. */
export async function decodeStored(
  stored: StoredImage,
  name: string,
  options?: DecodeOptions,
): Promise<RgbImage> {
  return stored.kind === 'pixels' ? stored.image : decodeImage(stored.bytes, name, options);
}

/**
 * Rejects other formats. libvips would also open SVG, PDF and whatever else it was built with: formats that no data set
 * needs and hostile files could exploit.
 * @throws UserError unless the first bytes are those of a JPEG, PNG, WebP or AVIF file.
 */
function refuseOtherFormats(bytes: Uint8Array, name: string): void {
  if (bytes.length === 0) throw new UserError(`${name} is an empty file; replace or delete it`);
  if (imageExtension(bytes) !== undefined) return;
  const format = unsupportedFormat(bytes);
  throw new UserError(
    format === undefined
      ? `${name} is not a JPEG, PNG, WebP or AVIF image; replace or delete it`
      : `${name} is a ${format} image, not a JPEG, PNG, WebP or AVIF image; convert it to one of these`,
  );
}

/** @param data `[height, width, channels]`: gray, RGB or CMYK (alpha has been removed) */
function toThreeChannels(data: Buffer, channels: number): Uint8Array {
  if (channels === 4) return cmykToRgb(data);
  return channels === 3 ? new Uint8Array(data.buffer, data.byteOffset, data.length) : grayToRgb(data);
}

/** @param gray `[height, width]` @returns `[height, width, 3]` */
export function grayToRgb(gray: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(gray.length * 3);
  for (let i = 0, j = 0; i < gray.length; i++, j += 3) {
    rgb[j] = rgb[j + 1] = rgb[j + 2] = gray[i]!;
  }
  return rgb;
}

function decodingError(error: unknown, name: string, maxPixels: number): UserError {
  const message = messageOf(error);
  if (/pixel limit/i.test(message)) {
    return new TooManyPixelsError(
      `${name} has more than ${maxPixels.toLocaleString('en-US')} pixels, the limit; make it smaller or, if you trust it, raise the limit (--max-pixels)`,
      { cause: error },
    );
  }
  const text = `${name} is damaged and cannot be decoded (${message.trim().split('\n')[0]}); replace or delete it`;
  return new UserError(text, { cause: error });
}
