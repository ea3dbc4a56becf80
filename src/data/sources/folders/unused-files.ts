/** Counts the files of a folder that are not images this program reads, so that nothing is left out silently. */
import { isImageName } from '../../pixels/image-formats.ts';

/** Kinds of images, raw photographs and videos that people mix with their photos. */
const PICTURE =
  /^\.(?:hei[cf]|avifs?|gif|bmp|dib|tiff?|jp2|j2k|jpf|jxl|jxr|ico|svg|psd|eps|p[bgnp]m|tga|exr|hdr|raw|dng|cr[23]|nef|arw|orf|rw2|raf)$/;
const VIDEO = /^\.(?:mov|mp4|m4v|avi|mkv|webm|3gp)$/;
/** Files that systems add by themselves, and Tiny ImageNet's boxes; hidden files are never listed. */
const COMPANION = /^(?:Thumbs\.db|desktop\.ini|Icon\r|n\d{8}_boxes\.txt)$/i;

/** Files that were not used: their number by extension, such as `.heic`. */
export type UnusedFiles = ReadonlyMap<string, number>;

/** Counts files while folders are listed. */
export class UnusedFileCounter {
  readonly counts = new Map<string, number>();

  /** Counts a file below a class folder or among unlabeled images. */
  add(name: string): void {
    if (!COMPANION.test(name)) this.#count(extensionOf(name));
  }

  /** Counts images and videos that lie beside class folders; lists of labels and the like belong there. */
  addBeside(names: readonly string[]): void {
    for (const name of names) {
      const extension = extensionOf(name);
      if (isImageName(name)) this.#count(`${extension} outside the class folders`);
      else if (PICTURE.test(extension) || VIDEO.test(extension)) this.#count(extension);
    }
  }

  /** Counts images that no list names, and images and videos of other kinds beside them. */
  addUnlisted(images: readonly string[], others: UnusedFileCounter): void {
    for (const name of images) this.#count(`${extensionOf(name)} in no list`);
    for (const [kind, count] of others.counts) {
      if (PICTURE.test(kind) || VIDEO.test(kind)) this.#count(kind, count);
    }
  }

  addAll(others: UnusedFileCounter): void {
    for (const [kind, count] of others.counts) this.#count(kind, count);
  }

  #count(kind: string, by = 1): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + by);
  }
}

function extensionOf(name: string): string {
  return /.(\.[^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? 'without extension';
}

/**
 * One sentence about files that were not used, such as `note: 12 files were not used: 8 .heic, 3 .gif, 1 .txt; convert …`.
 * @param unused of an ImageSource
 * @returns undefined if all files were used
 * @example
 * const source = await openImages('photos');
 * console.log(describeUnused(source.unused) ?? 'all files are used');
 */
export function describeUnused(unused: UnusedFiles | undefined): string | undefined {
  if (unused === undefined || unused.size === 0) return undefined;
  const total = [...unused.values()].reduce((sum, count) => sum + count, 0);
  const remedy = howToConvert(unused);
  return `note: ${total} ${total === 1 ? 'file was' : 'files were'} not used: ${listKinds(unused)}${remedy ? `; ${remedy}` : ''}`;
}

/** `8 .heic, 3 .gif`, the most frequent kind first. */
export function listKinds(unused: UnusedFiles): string {
  const kinds = [...unused].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return kinds.map(([kind, count]) => `${count} ${kind}`).join(', ');
}

/** @returns undefined if no file is a picture of another format */
export function howToConvert(unused: UnusedFiles): string | undefined {
  const picture = [...unused.keys()].find((kind) => PICTURE.test(kind));
  if (picture === undefined) return undefined;
  const isHeic = /^\.hei[cf]$/.test(picture);
  const command =
    isHeic && process.platform === 'darwin'
      ? `\`sips -s format jpeg *${picture} --out .\``
      : `\`magick mogrify -format jpg *${picture}\`${isHeic ? ' (ImageMagick with libheif)' : ''}`;
  return `convert them to JPEG, PNG or WebP, for example with ${command}`;
}
