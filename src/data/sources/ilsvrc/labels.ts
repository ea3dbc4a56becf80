/**
 * Reads the labels of ILSVRC-2012's validation images, which are in one flat folder, from Kaggle's LOC_val_solution.csv
 * or from the development kit. Also has the class numbers that the evaluation server expects.
 */
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { messageOf, UserError } from '../../../core/errors.ts';
import { linesOf } from '../../../core/files.ts';
import { ilsvrcClasses } from '../../../core/ilsvrc-2012.ts';
import type { FileTree } from '../folders/file-tree.ts';
import { foldersNear } from './synsets.ts';

/** Paths where a development kit's files may be, below a folder near the images. */
const KIT_FOLDERS = ['ILSVRC2012_devkit_t12/data', 'devkit/data', 'data', '.'];

/** Labels of validation images by the stem of the file name (`ILSVRC2012_val_00000001`). */
interface ValidationLabels {
  /** The file that they come from. */
  readonly path: string;
  /** All synsets that occur, sorted: the order of the classes. */
  readonly synsets: readonly string[];
  /** @throws UserError when the file has no valid label for the image */
  synsetOf(stem: string): string;
}

/** Finds and reads the labels near a folder of validation images. @throws UserError when there are none. */
export async function findValidationLabels(tree: FileTree, folder: string): Promise<ValidationLabels> {
  for (const near of foldersNear(folder)) {
    const solution = join(near, 'LOC_val_solution.csv');
    if ((await tree.kindOf(solution)) === 'file')
      return readSolution(await tree.readBytes(solution), solution);
  }
  for (const near of foldersNear(folder)) {
    for (const data of KIT_FOLDERS) {
      const truth = join(near, data, 'ILSVRC2012_validation_ground_truth.txt');
      if ((await tree.kindOf(truth)) === 'file') return readGroundTruth(await tree.readBytes(truth), truth);
    }
  }
  throw new UserError(
    `${folder} holds the validation images without their labels; put LOC_val_solution.csv (Kaggle) or the folder ILSVRC2012_devkit_t12 beside it`,
  );
}

/** `ImageId,PredictionString`: the first word of the second field is the synset. */
function readSolution(bytes: Buffer, path: string): ValidationLabels {
  const synsets = new Map<string, string>();
  for (const row of parseCsv(bytes, path)) {
    if (row.ImageId === undefined || row.PredictionString === undefined) {
      throw new UserError(
        `${path} has no columns ImageId and PredictionString; use the file from the Kaggle competition unchanged`,
      );
    }
    synsets.set(row.ImageId, row.PredictionString.trim().split(/\s+/)[0]!);
  }
  const synsetOf = (stem: string): string => {
    const synset = synsets.get(stem);
    if (synset !== undefined) return synset;
    throw new UserError(`${path} has no row for ${stem}; download the file again or remove that image`);
  };
  return { path, synsets: sorted(synsets.values()), synsetOf };
}

function parseCsv(bytes: Buffer, path: string): Record<string, string>[] {
  try {
    return parse(bytes, { columns: true, bom: true, skip_empty_lines: true });
  } catch (error) {
    throw new UserError(`${path} is not a complete CSV file (${messageOf(error)}); download it again`, {
      cause: error,
    });
  }
}

/** Line n has the ILSVRC2012_ID of image n. These IDs do not follow the sorted synsets. */
function readGroundTruth(bytes: Buffer, path: string): ValidationLabels {
  const ids = linesOf(bytes).map((line) => line.trim());
  const synsets = new Map(ilsvrcClasses().map(({ id, synset }) => [id, synset]));
  const synsetOf = (stem: string): string => {
    const image = Number(/(\d+)$/.exec(stem)?.[1]);
    const id = ids[image - 1];
    if (id === undefined) {
      throw new UserError(
        `${path} has ${ids.length} lines and none for ${stem}; unpack the development kit again or remove that image`,
      );
    }
    const synset = synsets.get(Number(id));
    if (synset !== undefined) return synset;
    throw new UserError(
      `${path}: line ${image}: ${id} is not an ILSVRC2012_ID (1 to 1000); unpack the development kit again`,
    );
  };
  return { path, synsets: sorted(ids.flatMap((id) => synsets.get(Number(id)) ?? [])), synsetOf };
}

function sorted(names: Iterable<string>): string[] {
  return [...new Set(names)].sort();
}

/**
 * The class numbers that ILSVRC's evaluation server expects.
 * @param classes synsets
 * @returns the ILSVRC2012_ID of each class
 * @throws UserError when one is not a class of ILSVRC-2012
 */
export function developmentKitNumbers(classes: readonly string[]): number[] {
  const numbers = new Map(ilsvrcClasses().map(({ id, synset }) => [synset, id]));
  return classes.map((name) => {
    const number = numbers.get(name);
    if (number !== undefined) return number;
    throw new UserError(
      `the model's class "${name}" is not a class of ILSVRC-2012, so it cannot write a submission; leave out --submission or use a model of ILSVRC-2012`,
    );
  });
}
