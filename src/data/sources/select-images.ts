import { createHash } from 'node:crypto';
import type { ImageSource } from './image-source.ts';

/**
 * A source of selected images from another source, in the given order: a limited number, a share, or the good ones.
 * @param indices numbers of images in `source`
 */
export function selectImages(source: ImageSource, indices: Uint32Array): ImageSource {
  const original = (index: number): number => {
    const found = indices[index];
    if (found === undefined) throw new RangeError(`no image ${index} among ${indices.length}`);
    return found;
  };
  return {
    ...source,
    length: indices.length,
    label: (index) => source.label(original(index)),
    imageName: (index) => source.imageName(original(index)),
    read: async (index) => source.read(original(index)),
    fingerprint: async () =>
      createHash('sha256')
        .update(`selection\0${await source.fingerprint()}\0`)
        .update(new Uint8Array(indices.buffer, indices.byteOffset, indices.byteLength))
        .digest('hex'),
  };
}
