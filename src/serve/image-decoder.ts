/** Decodes uploaded images and rescales them to the test scales, within limits. */
import pLimit, { type LimitFunction } from 'p-limit';
import { UserError } from '../core/errors.ts';
import { decodeStored, TooManyPixelsError } from '../data/pixels/decode.ts';
import type { PreparationOptions } from '../data/pixels/evaluation-images.ts';
import { rescaledSize } from '../data/pixels/resample.ts';
import { rescaleImage } from '../data/pixels/rescale.ts';
import type { RgbImage } from '../data/sources/image-source.ts';
import type { Size } from './contract/common-schemas.ts';
import type { Limits } from './contract/model-schemas.ts';
import { RequestError } from './request-errors.ts';
import type { Upload } from './uploads.ts';

interface DecodedImage {
  readonly name: string;
  /** As displayed, in pixels. */
  readonly size: Size;
  /** The image at each scale. */
  readonly scaled: readonly RgbImage[];
}

/** How models want an image. */
export interface Preparation extends Pick<PreparationOptions, 'colorProfiles' | 'rounding'> {
  /** Values of Q in pixels. */
  readonly scales: readonly number[];
}

export class ImageDecoder {
  readonly #limits: Limits;
  /** A decoded image takes hundreds of times the memory of its file. */
  readonly #limit: LimitFunction;

  constructor(limits: Limits, concurrency: number) {
    this.#limits = limits;
    this.#limit = pLimit(concurrency);
  }

  /**
   * @param untilReady resolves once the pixels are needed; until then the image stays encoded
   * @throws RequestError `too_large`, before an image of too many pixels is decoded, or `bad_image`.
   */
  decode(
    upload: Upload,
    how: Preparation,
    signal: AbortSignal,
    untilReady = async () => {},
  ): Promise<DecodedImage> {
    return this.#limit(async () => {
      await untilReady();
      signal.throwIfAborted();
      try {
        return await this.#decode(upload, how);
      } catch (error) {
        throw asRequestError(error, upload, this.#limits);
      }
    });
  }

  async #decode(upload: Upload, { scales, colorProfiles, rounding }: Preparation): Promise<DecodedImage> {
    const { name, bytes } = upload;
    const image = await decodeStored({ kind: 'encoded', bytes }, name, {
      maxPixels: this.#limits.pixels,
      colorProfiles,
      largestSide: Math.max(...scales),
    });
    const { width, height } = image.original ?? image;
    const size = { width, height };
    this.#checkRescaled(upload, size, scales);
    const scaled: RgbImage[] = [];
    for (const scale of scales) {
      const one = await rescaleImage(image, scale, name, undefined, rounding);
      scaled.push({ ...one, original: size });
    }
    return { name, size, scaled };
  }

  #checkRescaled({ name }: Upload, { width, height }: Size, scales: readonly number[]): void {
    const { rescaledPixels } = this.#limits;
    for (const scale of scales) {
      const rescaled = rescaledSize(width, height, scale);
      if (rescaled.width * rescaled.height <= rescaledPixels) continue;
      throw new RequestError(
        'too_large',
        `${name} (${width}×${height}) would have ${rescaled.width}×${rescaled.height} pixels at scale ${scale}; the maximum is ${rescaledPixels} pixels. Crop it, or use a smaller scale.`,
      );
    }
  }
}

function asRequestError(error: unknown, { name }: Upload, { pixels }: Limits): unknown {
  if (error instanceof TooManyPixelsError) {
    const message = `${name} has more than ${pixels} pixels; send a smaller image.`;
    return new RequestError('too_large', message, { cause: error });
  }
  if (error instanceof UserError) {
    return new RequestError('bad_image', sentence(error.message), { cause: error });
  }
  return error;
}

/** Turns a message of the command line into a sentence for a remote client. */
function sentence(message: string): string {
  const text = message.replace('; replace or delete it', '; send another');
  return /[.?!]$/.test(text) ? text : `${text}.`;
}
