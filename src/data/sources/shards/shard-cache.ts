/** Indexes of tar shards remembered in the user's cache folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { cacheSubfolder } from '../../../core/cache-folder.ts';
import { FileList } from '../folders/file-list.ts';
import type { ShardIndex } from './shard-index.ts';

/** Raised whenever the index or how it is read changes. */
const VERSION = 1;

/** @returns undefined when there is none, or none that can be used */
export async function recallIndex(key: string, cacheFolder?: string): Promise<ShardIndex | undefined> {
  try {
    const path = join(await cacheSubfolder('shards', cacheFolder), `${key}.index`);
    const { version, names, ...index } = deserialize(await readFile(path));
    if (version !== VERSION) return undefined;
    const files = new FileList(Buffer.from(names.bytes), names.offsets, names.labels);
    return { ...index, files };
  } catch {
    // Whatever is wrong with it, an index can be made again.
    return undefined;
  }
}

/** Remembers an index, if the cache folder can be written; it is only a matter of time saved. */
export async function rememberIndex(key: string, index: ShardIndex, cacheFolder?: string): Promise<void> {
  const { files, ...rest } = index;
  try {
    const path = join(await cacheSubfolder('shards', cacheFolder), `${key}.index`);
    const names = { bytes: files.names, offsets: files.offsets, labels: files.labels };
    await writeFileAtomically(path, serialize({ version: VERSION, names, ...rest }));
  } catch {
    // As above.
  }
}
