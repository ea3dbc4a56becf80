/** Reads a model whose tensors are in several files, listed by an index. */
import { dirname, join } from 'node:path';
import { withFile } from '../../../core/random-access-file.ts';
import { damaged } from '../../weight-errors.ts';
import type { WeightContent } from '../weight-content.ts';
import { LARGEST_INDEX, parseShardIndex, shardsOf } from './shard-index.ts';

interface OpenFile extends WeightContent {
  readonly path: string;
  readonly bytes: number;
  close(): Promise<void>;
}

/**
 * Opens all shards of an index.
 * @param openFile opens one of them
 * @throws UserError when the index is damaged, a shard is missing, or lacks a tensor that the index expects in it.
 */
export async function openShards<Opened extends OpenFile>(
  path: string,
  openFile: (path: string) => Promise<Opened>,
): Promise<Opened> {
  const index = await withFile(path, (file) => {
    if (file.size > LARGEST_INDEX) throw damaged(path, 'index of shards', `it has ${file.size} bytes`);
    return file.read(0, file.size);
  });
  const places = parseShardIndex(path, index);
  const opened = new Map<string, Opened>();
  const close = async () => {
    for (const shard of opened.values()) await shard.close();
  };
  try {
    for (const name of shardsOf(path, index)) opened.set(name, await openFile(join(dirname(path), name)));
    const tensors = [...places].map(([tensor, shard]) => {
      const found = opened.get(shard)!.tensors.find(({ name }) => name === tensor);
      if (found) return found;
      throw damaged(path, 'index of shards', `${shard} has no tensor ${tensor}`);
    });
    const [first] = opened.values();
    return {
      ...first!,
      description: `${first!.description}, ${opened.size} shards`,
      tensors,
      path,
      bytes: [...opened.values()].reduce((sum, { bytes }) => sum + bytes, 0),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
