/** The class numbers of ILSVRC-2012's development kit (ILSVRC2012_ID), which the evaluation server wants. */
import { dirname, join } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { kindOf } from '../files.ts';
import { foldersNear } from '../synsets.ts';
import { readIdMap } from './labels.ts';

const KITS = ['ILSVRC2012_devkit_t12/data', 'devkit/data', 'data', '.'];
const MAPS = ['meta.mat', 'map_clsloc.txt'];

/**
 * For each class its number in the development kit.
 * @param location the images, near which the kit is looked for, or the kit itself
 * @param classes synsets
 * @throws UserError when there is no kit, or it does not have a class
 */
export async function developmentKitNumbers(location: string, classes: readonly string[]): Promise<number[]> {
  const folder = await findKit(location);
  const { path, synsets } = await readIdMap(folder);
  const numbers = new Map([...synsets].map(([id, synset]) => [synset, id]));
  return classes.map((name) => {
    const number = numbers.get(name);
    if (number !== undefined) return number;
    throw new UserError(
      `${path} has no class "${name}", so the model's classes are not those of ILSVRC-2012, and there is no submission to write for them`,
    );
  });
}

async function findKit(location: string): Promise<string> {
  const start = (await kindOf(location)) === 'folder' ? location : dirname(location);
  for (const near of foldersNear(start)) {
    for (const kit of KITS) {
      for (const map of MAPS) if ((await kindOf(join(near, kit, map))) === 'file') return join(near, kit);
    }
  }
  throw new UserError(
    `the development kit, whose class numbers a submission is made of, is not near ${location}; put the folder ILSVRC2012_devkit_t12 beside the images`,
  );
}
