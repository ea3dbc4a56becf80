/** The 1000 classes of ILSVRC-2012, from labels/ilsvrc-2012.txt. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './project.ts';

/** One class: a WordNet synset. */
interface IlsvrcClass {
  /** `n01440764` */
  readonly synset: string;
  /** ILSVRC2012_ID, from 1: the number of the class in the development kit. */
  readonly id: number;
  /** The words of the synset: `tench, Tinca tinca`. */
  readonly words: string;
}

let classes: readonly IlsvrcClass[] | undefined;

/** The classes sorted by synset, which is the order of a network's outputs. Read on first use. */
export function ilsvrcClasses(): readonly IlsvrcClass[] {
  classes ??= readFileSync(join(projectFolder, 'labels/ilsvrc-2012.txt'), 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => {
      const [synset, id, ...words] = line.split(' ');
      return { synset: synset!, id: Number(id), words: words.join(' ') };
    });
  return classes;
}
