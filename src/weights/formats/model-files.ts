/** The files of a model, and their checksum. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { kindOf, listFolder, readBytes, sha256OfFile } from '../../core/files.ts';
import { localModel } from '../download/local-model.ts';
import { HUB_FILES } from '../labels/hub-config.ts';
import { notAModelFolder } from './determine-format.ts';
import { isNpyFolder } from './numpy/reader.ts';
import { INDEX_EXTENSION, shardsOf } from './sharded/shard-index.ts';

/** The weights in a folder: a file under one of the hub's usual names, or the folder itself if it holds .npy files. */
export async function weightsIn(folder: string): Promise<string> {
  const names = await listFolder(folder);
  const found = HUB_FILES.find((name) => names.includes(name));
  if (found !== undefined) return join(folder, found);
  if (isNpyFolder(names)) return folder;
  throw notAModelFolder(folder, names);
}

/** Where the weights of a model are: a file, an index of shards, or a folder of .npy files. */
export async function locateWeights(name: string): Promise<string> {
  const path = await localModel(name);
  return (await kindOf(path)) === 'folder' ? weightsIn(path) : path;
}

async function filesOf(path: string): Promise<string[]> {
  if (path.endsWith(INDEX_EXTENSION)) {
    return [path, ...shardsOf(path, await readBytes(path)).map((shard) => join(dirname(path), shard))];
  }
  if ((await kindOf(path)) !== 'folder') return [path];
  return (await listFolder(path)).filter((name) => isNpyFolder([name])).map((name) => join(path, name));
}

/**
 * The size of a model and its SHA-256, in hexadecimal. That of several files is the SHA-256 of the lines that
 * `sha256sum` prints for them, with their names alone.
 * @param name as of `openWeights`
 * @throws UserError when a file cannot be read.
 */
export async function modelChecksum(name: string): Promise<{ bytes: number; sha256: string }> {
  const files = await filesOf(await locateWeights(name));
  let bytes = 0;
  const lines: string[] = [];
  for (const file of files) {
    const sha256 = await sha256OfFile(file);
    bytes += (await stat(file)).size;
    if (files.length === 1) return { bytes, sha256 };
    lines.push(`${sha256}  ${basename(file)}\n`);
  }
  return { bytes, sha256: createHash('sha256').update(lines.join('')).digest('hex') };
}
