/** The supported image files: JPEG, PNG, WebP and AVIF. Nothing here needs Node. */

/** Extensions of image files, for messages. */
export const IMAGE_EXTENSIONS = '.jpg, .jpeg, .jpe, .jfif, .png, .webp or .avif';

/** Larger than any photograph, and small enough (300 MB) that a hostile image cannot exhaust the memory. */
export const DEFAULT_MAX_PIXELS = 100_000_000;

/** @param extension without the dot */
export function isImageExtension(extension: string): boolean {
  return /^(?:jpe?g|jpe|jfif|png|webp|avif)$/i.test(extension);
}

/** Whether a file name is that of an image. */
export function isImageName(name: string): boolean {
  return isImageExtension(/\.([^.]+)$/.exec(name)?.[1] ?? '');
}

/** The usual extension for the format that an image's first bytes indicate. @returns undefined for other formats */
export function imageExtension(bytes: Uint8Array): 'jpg' | 'png' | 'webp' | 'avif' | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  if (start.startsWith('\xff\xd8\xff')) return 'jpg';
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (start.endsWith('ftypavif')) return 'avif';
  return start.startsWith('RIFF') && start.endsWith('WEBP') ? 'webp' : undefined;
}
