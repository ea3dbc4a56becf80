import { UserError } from '../core/errors.ts';
import { readLines } from '../core/files.ts';
import { parseSynsetLine } from '../data/sources/ilsvrc/synsets.ts';
import type { ClassNames } from '../weights/labels/class-names.ts';
import { option } from './command.ts';

export const classesFile = option(
  '<file>',
  'text file with one class per line: its identifier, then optionally a tab and a label',
);

/**
 * Reads one class per line, in label order: `identifier`, `identifier⇥label`, or as in ILSVRC's synset_words.txt
 * `n01440764 tench, Tinca tinca`. Empty lines are skipped.
 * @throws UserError when the file cannot be read, has fewer than two classes, or a duplicate.
 */
export async function readClassesFile(path: string): Promise<ClassNames> {
  const pairs = (await readLines(path)).map((line) => splitLine(line.trim()));
  if (pairs.length < 2) {
    throw new UserError(`${path} has ${pairs.length} classes; write two or more, one per line`);
  }
  const seen = new Set<string>();
  for (const [id] of pairs) {
    if (seen.has(id)) throw new UserError(`${path}: duplicate class ${id}; remove one`);
    seen.add(id);
  }
  return { classes: pairs.map(([id]) => id), labels: pairs.map(([, label]) => label) };
}

function splitLine(line: string): [id: string, label: string] {
  const named = parseSynsetLine(line);
  if (named) return [named.synset, named.words];
  const tab = line.indexOf('\t');
  return tab < 0 ? [line, line] : [line.slice(0, tab).trim(), line.slice(tab + 1).trim()];
}
