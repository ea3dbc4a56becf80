/**
 * The index of weights in several files, `model.safetensors.index.json` or `pytorch_model.bin.index.json`: which file
 * (shard) holds each tensor. https://huggingface.co/docs/safetensors/index
 */
import { z } from 'zod';
import { UserError } from '../../../core/errors.ts';
import { isSafePath } from '../../../core/paths.ts';
import { damaged } from '../../weight-errors.ts';

export const INDEX_EXTENSION = '.index.json';
/** Largest index to read: an entry for each tensor. */
export const LARGEST_INDEX = 16 * 2 ** 20;
const MAX_SHARDS = 1000;

const schema = z.object({ weight_map: z.record(z.string(), z.string().refine(isSafePath)) });

/** For each tensor, the name of its shard. @throws UserError when the index is damaged or leads out of its folder */
export function parseShardIndex(path: string, bytes: Uint8Array): ReadonlyMap<string, string> {
  let found: z.infer<typeof schema>;
  try {
    found = schema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch (error) {
    throw damaged(path, 'index of shards', 'its weight_map does not name a file for each tensor', error);
  }
  return new Map(Object.entries(found.weight_map));
}

/** The names of the shards. @throws UserError as `parseShardIndex` does */
export function shardsOf(path: string, bytes: Uint8Array): string[] {
  const shards = [...new Set(parseShardIndex(path, bytes).values())];
  const nested = shards.find((name) => name.endsWith(INDEX_EXTENSION));
  if (nested !== undefined) throw damaged(path, 'index of shards', `it names ${nested}, another index`);
  if (shards.length >= 1 && shards.length <= MAX_SHARDS) return shards;
  throw damaged(path, 'index of shards', `it names ${shards.length} files`);
}

/** @throws UserError when a path is that of one shard among several */
export function refuseLoneShard(path: string): void {
  const [, stem, count, extension] = /^(.*)-\d{5}-of-(\d{5})(\.\w+)$/.exec(path) ?? [];
  if (count === undefined || Number(count) <= 1) return;
  throw new UserError(
    `${path} is one of ${Number(count)} shards of a model; give their index, ${stem}${extension}${INDEX_EXTENSION}`,
  );
}
