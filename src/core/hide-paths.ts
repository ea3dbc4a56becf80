import { basename } from 'node:path';

/** A line that is one path or a list of paths, possibly after a key: `from: runs/a/best.safetensors`. */
const LINE_OF_PATHS = /^((?:[\w-]+: )?["']?)([^\s,:'"]*\/.*)$/gm;
/** A model by name, which is not a path. */
const PUBLISHED = /^torchvision\/\w+$/;
/** A path inside a sentence, absolute or starting with a dot; URLs are not paths. */
const PATH_IN_TEXT = /(?<![\w.:/])\.{0,2}\/[^\s'",]+/g;

/**
 * Reduces every path in a text to its last part: readers elsewhere see the names of files, but not where this
 * machine keeps them.
 */
export function hidePaths(text: string): string {
  return text
    .replaceAll(LINE_OF_PATHS, (_, key: string, paths: string) => key + hidePathList(paths))
    .replaceAll(PATH_IN_TEXT, (path) => basename(path));
}

function hidePathList(paths: string): string {
  return paths
    .split(',')
    .map((path) => (PUBLISHED.test(path) ? path : basename(path)))
    .join(',');
}

/** Hides the paths in all strings of an object, such as a recipe or a model's provenance. */
export function hidePathsIn<T extends object>(values: T): T {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, typeof value === 'string' ? hidePaths(value) : value]),
  ) as T;
}

/** Reduces one folder to its name throughout a text, and keeps the paths below it: `photos/cat/1.jpg`. */
export function hideFolder(text: string, folder: string): string {
  return text.replaceAll(folder, basename(folder));
}
