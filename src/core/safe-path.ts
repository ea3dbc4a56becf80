/** Whether a relative path with slashes, from a file or a server, stays inside its folder on every system. */
export function isSafePath(path: string): boolean {
  return (
    path.length <= 255 &&
    !/[\\:\p{Cc}]/u.test(path) &&
    path.split('/').every((part) => part !== '' && !part.startsWith('.') && !/[. ]$/.test(part))
  );
}
