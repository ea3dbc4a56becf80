import { sep } from 'node:path';

/** Whether a relative path with slashes, from a file or a server, stays inside its folder on every system. */
export function isSafePath(path: string): boolean {
  return (
    path.length <= 255 &&
    !/[\\:\p{Cc}]/u.test(path) &&
    path.split('/').every((part) => part !== '' && !part.startsWith('.') && !/[. ]$/.test(part))
  );
}

/**
 * A path as it is compared with names in files and patterns: with slashes on Windows, too. Elsewhere a backslash is a
 * character like others.
 * @param separator this system's
 */
export function withSlashes(path: string, separator: string = sep): string {
  return separator === '/' ? path : path.replaceAll(separator, '/');
}
