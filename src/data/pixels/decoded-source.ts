import type { ImageSource } from '../sources/source.ts';
import { type DecodeOptions, decodeStored } from './decode.ts';
import { DecodedCache } from './decoded-cache.ts';

/**
 * A source whose images are decoded once and kept, as far as memory allows: for sets that are gone through again
 * and again, like the validation images of a training.
 * @param bytes for decoded images
 */
export function keepDecoded(source: ImageSource, bytes: number, options: DecodeOptions = {}): ImageSource {
  const cache = new DecodedCache(source.length, bytes);
  return {
    location: source.location,
    split: source.split,
    classes: source.classes,
    labels: source.labels,
    length: source.length,
    label: (index) => source.label(index),
    imageName: (index) => source.imageName(index),
    read: async (index) => {
      const kept = cache.get(index);
      if (kept) return { kind: 'pixels', image: kept };
      const stored = await source.read(index);
      if (!cache.open) return stored;
      const image = await decodeStored(stored, source.imageName(index), options);
      cache.add(index, image);
      return { kind: 'pixels', image };
    },
    fingerprint: () => source.fingerprint(),
    close: async () => source.close?.(),
  };
}
