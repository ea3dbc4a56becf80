/** WordNet synsets as classes, and their human-readable labels (n01440764 → "tench, Tinca tinca"). */
import { dirname, join, resolve } from 'node:path';
import { linesOf } from '../../../core/files.ts';
import type { FileTree } from '../folders/file-tree.ts';

const SYNSET = /^(n\d{8})(?:\s+(.*))?$/;

/** Whether a class's name is a synset: `n` and eight digits. */
export function isSynset(name: string): boolean {
  return SYNSET.exec(name)?.[1] === name;
}

/** Splits `n01440764 tench, Tinca tinca`. @returns undefined unless the line starts with a synset and has more. */
export function parseSynsetLine(line: string): { synset: string; words: string } | undefined {
  const [, synset, words] = SYNSET.exec(line.trim()) ?? [];
  return synset && words ? { synset, words } : undefined;
}

/** Files that name synsets: from Kaggle, Caffe, others, the development kit and Tiny ImageNet. */
const LISTS = ['LOC_synset_mapping.txt', 'synset_words.txt', 'synsets.txt', 'map_clsloc.txt', 'words.txt'];

/**
 * Labels in the order of the classes, from a list in the folder or above it. The classes themselves if they are not
 * synsets or no list has all of them.
 */
export async function labelsOfSynsets(
  tree: FileTree,
  folder: string,
  classes: readonly string[],
): Promise<readonly string[]> {
  if (classes.length === 0 || !classes.every(isSynset)) return classes;
  for (const near of foldersNear(folder)) {
    for (const list of LISTS) {
      const path = join(near, list);
      if ((await tree.kindOf(path)) !== 'file') continue;
      const names = namesIn(linesOf(await tree.readBytes(path)));
      if (classes.every((synset) => names.has(synset))) return classes.map((synset) => names.get(synset)!);
    }
  }
  return classes;
}

/** Lines such as `n01440764 tench, Tinca tinca`, or `n02119789 1 kit_fox` in the development kit. */
function namesIn(lines: readonly string[]): Map<string, string> {
  const parsed = lines.flatMap((line) => parseSynsetLine(line) ?? []);
  return new Map(
    parsed.map(({ synset, words }) => [synset, words.replace(/^\d+\s+(?=\S)/, '').replaceAll('_', ' ')]),
  );
}

/** A folder and the four above it: ILSVRC/Data/CLS-LOC/train is that deep. */
export function foldersNear(folder: string): string[] {
  const near = [resolve(folder)];
  for (let i = 0; i < 4; i++) near.push(dirname(near.at(-1)!));
  return [...new Set(near)];
}
