/** Names for people where classes are WordNet synsets (n01440764 → "tench, Tinca tinca"). */
import { dirname, join, resolve } from 'node:path';
import { kindOf, readLines } from '../../../core/files.ts';

/** Files that name synsets, by where they come from: Kaggle, Caffe, others, Tiny ImageNet. */
const LISTS = ['LOC_synset_mapping.txt', 'synset_words.txt', 'synsets.txt', 'map_clsloc.txt', 'words.txt'];
const SYNSET = /^n\d{8}$/;

/**
 * Labels in the classes' order, from a list in the folder or above it; the classes themselves where they
 * are no synsets or no list has them all.
 */
export async function labelsOfSynsets(
  folder: string,
  classes: readonly string[],
): Promise<readonly string[]> {
  if (classes.length === 0 || !classes.every((name) => SYNSET.test(name))) return classes;
  for (const near of foldersNear(folder)) {
    for (const list of LISTS) {
      const path = join(near, list);
      if ((await kindOf(path)) !== 'file') continue;
      const names = namesIn(await readLines(path));
      if (classes.every((synset) => names.has(synset))) return classes.map((synset) => names.get(synset)!);
    }
  }
  return classes;
}

/** `n01440764 tench, Tinca tinca`, or `n02119789 1 kit_fox` in the development kit. */
function namesIn(lines: readonly string[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const line of lines) {
    const [, synset, name] = /^(n\d{8})\s+(?:\d+\s+)?(\S.*)$/.exec(line.trim()) ?? [];
    if (synset !== undefined) names.set(synset, name!.replaceAll('_', ' '));
  }
  return names;
}

/** A folder and those above it, as far as ILSVRC/Data/CLS-LOC/train is deep. */
export function foldersNear(folder: string): string[] {
  const near = [resolve(folder)];
  for (let i = 0; i < 4; i++) near.push(dirname(near.at(-1)!));
  return [...new Set(near)];
}
