/** Where what was found out is remembered between runs: about data sets, evaluations, this machine. */
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** $XDG_CACHE_HOME/verydeep, else ~/Library/Caches/verydeep on macOS, else ~/.cache/verydeep. */
export function defaultCacheFolder(): string {
  const xdg = process.env.XDG_CACHE_HOME;
  // The XDG specification: relative paths are to be ignored.
  if (xdg?.startsWith('/')) return join(xdg, 'verydeep');
  const caches = process.platform === 'darwin' ? ['Library', 'Caches'] : ['.cache'];
  return join(homedir(), ...caches, 'verydeep');
}

/** Makes the cache folder's subfolder for one kind of thing. */
export async function cacheSubfolder(kind: string, folder: string = defaultCacheFolder()): Promise<string> {
  const path = join(folder, kind);
  await mkdir(path, { recursive: true });
  return path;
}
