/** Opens images with the boxes of their objects, for localization (appendix A). */
import { createHash } from 'node:crypto';
import type { Box } from '../../core/boxes.ts';
import { UserError } from '../../core/errors.ts';
import type { ImageSource } from '../sources/image-source.ts';
import { type OpenOptions, openImages } from '../sources/open-images.ts';
import { selectImages } from '../sources/select-images.ts';
import { findVoc } from '../sources/voc.ts';
import { boxInImage } from './box-in-image.ts';
import type { ListedBox } from './box-lists.ts';
import { readBoxes } from './find-boxes.ts';
import { openVocObjects } from './voc-objects.ts';

interface BoxOptions extends OpenOptions {
  /** A CSV file, or a folder of XML files (default: those near the images). */
  readonly boxes?: string;
  /** Whether images without a box are an error instead of being left out (default: no). */
  readonly allBoxed?: boolean;
  /** Called with notes for the user. */
  onNote?(note: string): void;
}

/**
 * Opens a data set as `openImages` does, or PASCAL VOC's folder, and finds the boxes. Images without a box are left out.
 * @throws UserError for data or annotations that cannot be used, and when no image has a box
 */
export async function openBoxes(location: string, options: BoxOptions): Promise<ImageSource> {
  const voc = await findVoc(location);
  if (voc !== undefined) {
    if (options.boxes !== undefined) {
      throw new UserError(`${location} has its boxes in Annotations; leave out boxes`);
    }
    const { source, boxes, listed } = await openVocObjects(voc, options.split ?? 'train');
    noteLeftOut(source.length, listed, `${location} have no object that is not difficult`, options);
    return withBoxes(source, boxes);
  }
  const source = await openImages(location, options);
  const boxes = await readBoxes(source, options.boxes);
  const kept = Uint32Array.from(boxes.keys()).filter((index) => boxes[index]!.length > 0);
  if (kept.length === 0) {
    throw new UserError(
      options.boxes === undefined
        ? `no boxes were found near the images of ${location}; name a CSV file or a folder of XML files with --boxes`
        : `${options.boxes} has no boxes of the images of ${location}; compare their names`,
    );
  }
  noteLeftOut(kept.length, source.length, `${location} have no box`, options);
  const chosen = kept.length < source.length ? selectImages(source, kept) : source;
  return withBoxes(
    chosen,
    Array.from(kept, (index) => boxes[index]!),
  );
}

/** @param fault of the images that are not used, with their place */
function noteLeftOut(used: number, all: number, fault: string, { allBoxed, onNote }: BoxOptions): void {
  if (used === all) return;
  const what = `${all - used} of ${all} images of ${fault}`;
  if (allBoxed) throw new UserError(`${what}, but each image is needed; add their boxes`);
  onNote?.(`${what} and are left out`);
}

/** @param boxes of each image, at least one */
function withBoxes(source: ImageSource, boxes: readonly (readonly ListedBox[])[]): ImageSource {
  return {
    ...source,
    boxes: (index, size) => boxes[index]!.map(({ box, place }) => boxInImage(box, size, place)),
    fingerprint: async () => {
      const hash = createHash('sha256').update(`boxes\0${await source.fingerprint()}\0`);
      for (const own of boxes) hash.update(JSON.stringify(own.map(({ box }): Box => box)));
      return hash.digest('hex');
    },
  };
}
