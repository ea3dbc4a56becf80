/** One image as a packed data set holds it: its own bytes, or rescaled where it is larger than needed. */
import sharp from 'sharp';
import { type DecodeOptions, decodeStored } from '../../pixels/decode.ts';
import { rescaleImage } from '../../pixels/rescale.ts';
import type { ImageSource, RgbImage } from '../source.ts';

export interface PackingOptions extends DecodeOptions {
  /** Largest smaller side, pixels: Smax of the trainings to come. */
  readonly scale: number;
  /** Of the JPEGs that are written anew, 1 to 100. */
  readonly quality: number;
}

export interface PackedImage {
  readonly bytes: Uint8Array;
  readonly extension: 'jpg' | 'png' | 'webp';
  readonly rescaled: boolean;
}

/**
 * Decodes an image, which shows whether it can be, and gives it back byte for byte where its smaller side is
 * at most `scale`; else rescaled to that, upright, as a JPEG without loss of colour resolution. Pixels of a
 * source that stores no image files become PNGs.
 * @throws UserError naming the image when it cannot be used.
 */
export async function packImage(
  source: ImageSource,
  index: number,
  { scale, quality, maxPixels }: PackingOptions,
): Promise<PackedImage> {
  const name = source.imageName(index);
  const stored = await source.read(index);
  const image = await decodeStored(stored, name, { maxPixels, largestSide: scale });
  const { width, height } = image.original ?? image;
  if (Math.min(width, height) <= scale) {
    if (stored.kind === 'encoded') {
      return { bytes: stored.bytes, extension: extensionOf(stored.bytes), rescaled: false };
    }
    return { bytes: await raw(image).png().toBuffer(), extension: 'png', rescaled: false };
  }
  const smaller = raw(await rescaleImage(image, scale, name, maxPixels));
  const bytes = await smaller.jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer();
  return { bytes, extension: 'jpg', rescaled: true };
}

function raw({ pixels, width, height }: RgbImage) {
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** By the file's first byte, which decoding has checked: names may lie. */
function extensionOf(bytes: Uint8Array): 'jpg' | 'png' | 'webp' {
  if (bytes[0] === 0xff) return 'jpg';
  return bytes[0] === 0x89 ? 'png' : 'webp';
}
