/** Some validation images of a run, which its model was not trained on. */
import { existsSync } from 'node:fs';
import { UserError } from '../core/errors.ts';
import { alone } from '../core/process-team.ts';
import { deriveKeys, keyOfSeed, permutation } from '../core/random.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { relabelImages, selectImages } from '../data/sources/select-images.ts';
import { readRunDescription, runFolder } from '../runs/run-folder.ts';
import { readModelFacts } from '../serve/runs/run-models.ts';
import { chooseImages, openData } from './evaluation-images.ts';

/** Images whose contents are compared at a time with those that were trained on. */
const CHUNK = 512;
/** Most images that are compared. */
const MOST_COMPARED = 8 * CHUNK;

/**
 * Opens validation images of a run in random order, the same each time: all if the data set has its own, otherwise at
 * least `wanted` held-out ones, as far as these are found quickly.
 * @returns the images, with the model's class numbers
 * @throws UserError when the data is gone, or no such image is found
 */
export async function validationImages(folder: string, wanted: number): Promise<ImageSource> {
  const { data } = await readRunDescription(folder);
  const { bestFile, lastFile } = runFolder(folder);
  const path = existsSync(bestFile) ? bestFile : lastFile;
  const facts = await readModelFacts(path);
  const opened = await openData({ data, labels: 'required' });
  const isHeldOut = facts.validation?.split === 'held-out';
  const all = isHeldOut || !('length' in opened.source) ? await openAll(data) : opened.source;
  const order = permutation(all.length, deriveKeys(keyOfSeed(1), 'validation images'));
  const found: number[] = [];
  for (let from = 0; found.length < wanted && from < Math.min(order.length, MOST_COMPARED); from += CHUNK) {
    const chunk = order.slice(from, from + CHUNK);
    const names = new Map([...chunk].map((number) => [all.imageName(number), number]));
    const part = { ...opened, source: selectImages(all, chunk) };
    const { source } = await chooseImages(part, [{ path, facts }], alone).catch(allTrainedOn);
    for (let i = 0; i < source.length; i++) found.push(names.get(source.imageName(i))!);
  }
  if (found.length === 0) throw new UserError(`no validation images of ${folder} were found in ${data}`);
  const { classes, labels } = facts;
  return relabelImages(selectImages(all, Uint32Array.from(found)), { ...all, classes, labels });
}

async function openAll(data: string): Promise<ImageSource> {
  const { source } = await openData({ data, split: 'train', labels: 'required' });
  if ('length' in source) return source;
  throw source;
}

/** A part of the data set that was trained on completely holds no validation images. */
function allTrainedOn(error: unknown): { source: Pick<ImageSource, 'length' | 'imageName'> } {
  if (error instanceof UserError) return { source: { length: 0, imageName: () => '' } };
  throw error;
}
