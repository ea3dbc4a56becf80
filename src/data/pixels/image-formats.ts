/** The image files that are read: JPEG, PNG and WebP. Nothing here needs Node. */

/** Extensions of image files, for messages. */
export const IMAGE_EXTENSIONS = '.jpg, .jpeg, .png or .webp';

/** Larger than any photograph, and small enough (300 MB) that a hostile image cannot exhaust the memory. */
export const DEFAULT_MAX_PIXELS = 100_000_000;

/** @param extension without the dot */
export function isImageExtension(extension: string): boolean {
  return /^(?:jpe?g|png|webp)$/i.test(extension);
}

/** Whether a file is an image, by its name. */
export function isImageName(name: string): boolean {
  return isImageExtension(/\.([^.]+)$/.exec(name)?.[1] ?? '');
}

/** The usual extension of an image's format, by its first bytes. @returns undefined for other formats */
export function imageExtension(bytes: Uint8Array): 'jpg' | 'png' | 'webp' | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  if (start.startsWith('\xff\xd8\xff')) return 'jpg';
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  return start.startsWith('RIFF') && start.endsWith('WEBP') ? 'webp' : undefined;
}
