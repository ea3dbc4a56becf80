import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { numbersByName } from '../../core/class-names.ts';
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
    boxes: source.boxes && ((index, size) => source.boxes!(original(index), size)),
    read: async (index) => source.read(original(index)),
    fingerprint: async () =>
      createHash('sha256')
        .update(`selection\0${await source.fingerprint()}\0`)
        .update(new Uint8Array(indices.buffer, indices.byteOffset, indices.byteLength))
        .digest('hex'),
  };
}

/**
 * A source with the class numbers of another one, for data sets that list the same classes in another order or not all
 * of them. Classes match by name.
 * @param like has every class of `source`
 */
export function relabelImages(source: ImageSource, { classes, labels }: ImageSource): ImageSource {
  if (isDeepStrictEqual(source.classes, classes)) return source;
  const known = numbersByName(classes);
  const numbers = source.classes.map((name) => known.get(name.normalize('NFC'))!);
  return { ...source, classes, labels, label: (index) => numbers[source.label(index)] ?? -1 };
}
