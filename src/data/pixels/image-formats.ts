/** The supported image files: JPEG, PNG, WebP and AVIF. Nothing here needs Node. */

let readsHeic = false;

/** Sets whether HEIC is read, too, which depends on the build of libvips. */
export function setReadsHeic(reads: boolean): void {
  readsHeic = reads;
}

/** Extensions of image files, for messages. */
export const IMAGE_EXTENSIONS = '.jpg, .jpeg, .jpe, .jfif, .png, .webp or .avif';

/** Larger than any photograph, and small enough (300 MB) that a hostile image cannot exhaust the memory. */
export const DEFAULT_MAX_PIXELS = 100_000_000;

/** @param extension without the dot */
export function isImageExtension(extension: string): boolean {
  return /^(?:jpe?g|jpe|jfif|png|webp|avif)$/i.test(extension) || (readsHeic && /^hei[cf]$/i.test(extension));
}

/** Whether a file name is that of an image. */
export function isImageName(name: string): boolean {
  return isImageExtension(/\.([^.]+)$/.exec(name)?.[1] ?? '');
}

/** The usual extension for the format that an image's first bytes indicate. @returns undefined for other formats */
export function imageExtension(bytes: Uint8Array): 'jpg' | 'png' | 'webp' | 'avif' | 'heic' | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  if (start.startsWith('\xff\xd8\xff')) return 'jpg';
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (brandsOf(bytes).includes('avif')) return 'avif';
  if (readsHeic && unsupportedFormat(bytes) === 'HEIC') return 'heic';
  return start.startsWith('RIFF') && start.endsWith('WEBP') ? 'webp' : undefined;
}

/** The brands of a file in the container of HEIC and AVIF (ISO/IEC 14496-12, `ftyp`); empty for other files. */
function brandsOf(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  return start.slice(4, 8) === 'ftyp'
    ? start.slice(8, Math.min(64, start.charCodeAt(2) * 256 + start.charCodeAt(3)))
    : '';
}

/** Other kinds of images, which may have the extension of a supported one. @returns undefined for unknown bytes */
export function unsupportedFormat(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 4));
  if (start === 'GIF8') return 'GIF';
  if (start === 'II*\0' || start === 'MM\0*') return 'TIFF';
  if (start.startsWith('BM')) return 'BMP';
  return /^(?:hei[cxms]|hev[cxms]|mif1|msf1)/.test(brandsOf(bytes)) ? 'HEIC' : undefined;
}
