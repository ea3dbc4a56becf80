/**
 * What the validation images of ILSVRC-2012 show. They lie in one flat folder; their labels are in
 * Kaggle's LOC_val_solution.csv, or in the development kit, as numbers of its own.
 */
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { messageOf, UserError } from '../../../core/errors.ts';
import { kindOf, readBytes, readLines } from '../files.ts';
import { type MatValue, parseMat } from './matlab.ts';

/** Where the labels are, and the synset of a validation image by the stem of its file name. */
export interface ValidationLabels {
  readonly path: string;
  /** All synsets that occur, sorted: the order of the classes. */
  readonly synsets: readonly string[];
  /** @throws UserError when the file says nothing, or nonsense, about the image */
  synsetOf(stem: string): string;
}

/**
 * LOC_val_solution.csv: `ImageId,PredictionString`; the first word of the second field is the synset.
 * @throws UserError naming the file and the row
 */
export async function readSolution(path: string): Promise<ValidationLabels> {
  const synsets = new Map<string, string>();
  for (const row of parseCsv(await readBytes(path), path)) {
    if (row.ImageId === undefined || row.PredictionString === undefined) {
      throw new UserError(
        `${path} has no columns ImageId and PredictionString; take the file from the Kaggle competition as it is`,
      );
    }
    synsets.set(row.ImageId, row.PredictionString.trim().split(/\s+/)[0]!);
  }
  const synsetOf = (stem: string): string => {
    const synset = synsets.get(stem);
    if (synset === undefined) {
      throw new UserError(`${path} has no row for ${stem}; download the file again or remove that image`);
    }
    return synset;
  };
  return { path, synsets: sorted(synsets.values()), synsetOf };
}

function parseCsv(bytes: Buffer, path: string): Record<string, string>[] {
  try {
    return parse(bytes, { columns: true, bom: true, skip_empty_lines: true });
  } catch (error) {
    throw new UserError(`${path} is not a whole CSV file (${messageOf(error)}); download it again`, {
      cause: error,
    });
  }
}

/**
 * The development kit's `data` folder: ILSVRC2012_validation_ground_truth.txt has a number for image 1, 2,
 * and so on, the ILSVRC2012_ID of a synset. Those numbers do not follow the synsets' sorted order: meta.mat
 * or map_clsloc.txt says which is which.
 * @throws UserError naming the file and what it lacks
 */
export async function readDevelopmentKit(folder: string): Promise<ValidationLabels> {
  const path = join(folder, 'ILSVRC2012_validation_ground_truth.txt');
  const numbers = (await readLines(path)).map((line) => Number(line.trim()));
  const map = await readIdMap(folder);
  const synsetOf = (stem: string): string => {
    const image = Number(/(\d+)$/.exec(stem)?.[1]);
    const id = numbers[image - 1];
    if (id === undefined) {
      throw new UserError(
        `${path} has ${numbers.length} lines and none for ${stem}; unpack the development kit again or remove that image`,
      );
    }
    const synset = map.synsets.get(id);
    if (synset === undefined) {
      throw new UserError(
        `${path}: line ${image}: ${id} is no ILSVRC2012_ID in ${map.path}; unpack the kit again`,
      );
    }
    return synset;
  };
  const used = new Set(numbers);
  const occurring = [...map.synsets].filter(([id]) => used.has(id)).map(([, synset]) => synset);
  return { path, synsets: sorted(occurring), synsetOf };
}

interface IdMap {
  readonly path: string;
  readonly synsets: ReadonlyMap<number, string>;
}

/**
 * ILSVRC2012_ID → synset. A bare list of synsets is not accepted: the usual one (Caffe's synsets.txt) is
 * sorted, and taking it for the kit's order would give wrong labels without a word.
 */
export async function readIdMap(folder: string): Promise<IdMap> {
  const mat = join(folder, 'meta.mat');
  if ((await kindOf(mat)) === 'file') {
    return { path: mat, synsets: synsetsOf(parseMat(await readBytes(mat), mat).get('synsets'), mat) };
  }
  for (const name of ['map_clsloc.txt', 'synsets.txt']) {
    const path = join(folder, name);
    if ((await kindOf(path)) === 'file') return { path, synsets: await readTextMap(path) };
  }
  throw new UserError(
    `${folder} has neither meta.mat nor map_clsloc.txt, which say what the numbers of the ground truth mean; unpack the whole development kit`,
  );
}

/** `n02119789 1 kit_fox`, or number and synset the other way round. */
async function readTextMap(path: string): Promise<Map<number, string>> {
  const synsets = new Map<number, string>();
  for (const line of await readLines(path)) {
    const words = line.trim().split(/\s+/).slice(0, 2);
    const synset = words.find((word) => /^n\d{8}$/.test(word));
    const id = words.find((word) => /^\d+$/.test(word));
    if (synset === undefined || id === undefined) {
      throw new UserError(
        `${path}: the line "${line}" does not give a synset and its ILSVRC2012_ID ("n02119789 1 kit_fox"); use the development kit's meta.mat`,
      );
    }
    synsets.set(Number(id), synset);
  }
  return synsets;
}

/** The struct array `synsets` with the fields ILSVRC2012_ID and WNID. */
function synsetsOf(variable: MatValue | undefined, path: string): Map<number, string> {
  const synsets = new Map<number, string>();
  if (variable?.kind === 'struct') {
    for (const element of variable.elements) {
      const id = scalar(element.get('ILSVRC2012_ID'));
      const synset = element.get('WNID');
      if (id?.kind === 'numbers' && synset?.kind === 'text') synsets.set(id.values[0]!, synset.text.trim());
    }
  }
  if (synsets.size === 0) {
    throw new UserError(
      `${path} has no struct array "synsets" with ILSVRC2012_ID and WNID; unpack the development kit again`,
    );
  }
  return synsets;
}

function scalar(value: MatValue | undefined): MatValue | undefined {
  return value?.kind === 'numbers' && value.values.length === 1 ? value : undefined;
}

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort();
}
