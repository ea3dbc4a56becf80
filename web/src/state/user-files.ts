/** Files from and for the user: chosen images and downloads. */
import type { Limits } from '../../../src/serve/contract/model-schemas.ts';

export interface Picture {
  /** Unique for each choice, even of the same file. */
  readonly id: number;
  readonly file: Blob;
  readonly name: string;
  /** Upright and without converting color profiles, as the server decodes it. */
  readonly pixels: ImageBitmap;
  /** Its class in the data set, if it is one of the server's samples. */
  readonly label?: string;
}

let chosen = 0;

/** @throws Error with a sentence when the browser cannot decode the file, or the server would reject it */
export async function openPicture(file: File, limits: Limits, label?: string): Promise<Picture> {
  const name = file.name || 'pasted image';
  if (file.size > limits.imageBytes) {
    const [size, most] = [file.size, limits.imageBytes].map((bytes) => (bytes / 2 ** 20).toFixed(1));
    throw new Error(
      `The file "${name}" is ${size} MiB; this server accepts at most ${most} MiB. Choose a smaller file.`,
    );
  }
  try {
    const pixels = await createImageBitmap(file, {
      imageOrientation: 'from-image',
      colorSpaceConversion: 'none',
    });
    chosen += 1;
    return { id: chosen, file, name, pixels, label };
  } catch {
    throw new Error(
      `The file "${name}" is not an image this browser can read. Choose a complete JPEG, PNG or WebP file.`,
    );
  }
}

/** Downloads a file that the page has created. */
export function saveBlob(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
