/** The image that the person chose: the file as it is sent, and its pixels to draw. */
import type { Limits } from '../../../src/serve/contract/model.ts';

export interface Picture {
  /** Different for each choice, even of the same file. */
  readonly id: number;
  readonly file: Blob;
  readonly name: string;
  /** Upright, as the server sees it. */
  readonly pixels: ImageBitmap;
}

let chosen = 0;

/** @throws Error with a sentence when the browser cannot show the file, or the server would not take it */
export async function openPicture(file: File, limits: Limits | undefined): Promise<Picture> {
  if (limits && file.size > limits.imageBytes) {
    const [size, most] = [file.size, limits.imageBytes].map((bytes) => (bytes / 2 ** 20).toFixed(1));
    throw new Error(
      `${file.name} has ${size} MiB, and this server takes at most ${most}: choose a smaller one.`,
    );
  }
  try {
    const pixels = await createImageBitmap(file, { imageOrientation: 'from-image' });
    chosen += 1;
    return { id: chosen, file, name: file.name || 'pasted image', pixels };
  } catch {
    throw new Error(
      `${file.name || 'What was pasted'} is no image that this browser can read: choose a whole JPEG, PNG or WebP file.`,
    );
  }
}
