/** Names of run folders that nobody gave. */
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

/** Where runs go by default. */
const RUNS = 'runs';

/** `runs/photos`, or `runs/photos-2` and so on if it exists. */
export function newRunFolder(name: string): string {
  for (let number = 1; ; number++) {
    const path = join(RUNS, number === 1 ? name : `${name}-${number}`);
    if (!existsSync(path)) return path;
  }
}

/** A data set's name: `photos` for `/home/me/photos/`, `photos.zip` or `photos.csv?label=breed`. */
export function nameOfData(location: string): string {
  const name = basename(resolve(location.split('?', 1)[0]!)).replace(/(?<=.)\.[a-z0-9.]{1,12}$/i, '');
  return name === '' ? 'run' : name;
}
