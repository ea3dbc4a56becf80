/** From the bytes that a stranger sent to pixels at the scales they are seen at, within limits. */
import sharp, { type Metadata } from 'sharp';
import { messageOf, UserError } from '../core/errors.ts';
import { Limiter } from '../data/concurrency.ts';
import { refuseOtherKinds } from '../data/decode.ts';
import { prepareForEvaluation } from '../data/evaluation.ts';
import { rescaledSize } from '../data/rescale.ts';
import type { RgbImage } from '../data/source.ts';
import type { Limits, Size } from './contract/index.ts';
import { RequestError } from './errors.ts';
import type { Upload } from './uploads.ts';

export interface Picture {
  readonly name: string;
  /** As displayed. */
  readonly size: Size;
  /** At each scale. */
  readonly scaled: readonly RgbImage[];
}

export class PictureReader {
  readonly #limits: Limits;
  /** A decoded image takes hundreds of times its file's memory. */
  readonly #decoding: Limiter;

  constructor(limits: Limits, atOnce: number) {
    this.#limits = limits;
    this.#decoding = new Limiter(atOnce);
  }

  /**
   * @param scales values of Q
   * @throws RequestError `too_large`, from the header alone, or `bad_image`.
   */
  read(upload: Upload, scales: readonly number[], signal: AbortSignal): Promise<Picture> {
    return this.#decoding.run(async () => {
      signal.throwIfAborted();
      try {
        const size = await this.#sizeOf(upload);
        this.#checkRescaled(upload, size, scales);
        const stored = { kind: 'encoded', bytes: upload.bytes } as const;
        const scaled = await prepareForEvaluation(stored, upload.name, scales, {
          maxPixels: this.#limits.pixels,
        });
        return { name: upload.name, size, scaled };
      } catch (error) {
        if (error instanceof UserError) {
          throw new RequestError('bad_image', sentence(error.message), { cause: error });
        }
        throw error;
      }
    });
  }

  /** From the header. */
  async #sizeOf({ name, bytes }: Upload): Promise<Size> {
    refuseOtherKinds(bytes, name);
    let found: Metadata;
    try {
      found = await sharp(bytes, { limitInputPixels: false }).metadata();
    } catch (error) {
      const reason = messageOf(error).trim().split('\n')[0];
      throw new UserError(`${name} is damaged and cannot be decoded (${reason}); send another`, {
        cause: error,
      });
    }
    const { pixels } = this.#limits;
    if (found.width * found.height > pixels) {
      throw new RequestError(
        'too_large',
        `${name} has ${found.width}×${found.height} pixels, more than the ${pixels} that are taken; make it smaller.`,
      );
    }
    return found.autoOrient;
  }

  #checkRescaled({ name }: Upload, { width, height }: Size, scales: readonly number[]): void {
    const { rescaledPixels } = this.#limits;
    for (const scale of scales) {
      const rescaled = rescaledSize(width, height, scale);
      if (rescaled.width * rescaled.height <= rescaledPixels) continue;
      throw new RequestError(
        'too_large',
        `${name} (${width}×${height}) would have ${rescaled.width}×${rescaled.height} pixels at scale ${scale}, more than the ${rescaledPixels} that are looked at; crop it, or ask for a smaller scale.`,
      );
    }
  }
}

/** Messages of the command line, as sentences for another's screen. */
function sentence(message: string): string {
  const text = message.replace('; replace or delete it', '; send another');
  return /[.?!]$/.test(text) ? text : `${text}.`;
}
