/** The model files of runs: their number of classes, and their content for a download. */
import { LRUCache } from 'lru-cache';
import { hidePathsIn } from '../../core/hide-paths.ts';
import { RandomAccessFile } from '../../core/random-access-file.ts';
import { elementCount } from '../../core/shape.ts';
import type { FoundRun } from '../../runs/run-list.ts';
import { isFile } from '../../runs/run-list.ts';
import { openSafetensors } from '../../weights/formats/safetensors/reader.ts';
import type { SafetensorsPieces } from '../../weights/formats/safetensors/writer.ts';
import { type ModelFacts, parseModelMetadata } from '../../weights/model/metadata.ts';
import { deferredTensors, modelPieces } from '../../weights/model/model.ts';
import { RequestError } from '../request-errors.ts';

/** A run's number of classes never changes. */
const classCounts = new LRUCache<string, number>({ max: 1000 });

/** The number of classes of a model file; undefined if it cannot be read. */
export async function classesOf(path: string): Promise<number | undefined> {
  if (!classCounts.has(path)) {
    const found = await readModelFacts(path).catch(() => undefined);
    if (found) classCounts.set(path, found.network.classes);
  }
  return classCounts.get(path);
}

/** The facts in the header of a model file. @throws UserError when it is not one */
export async function readModelFacts(path: string): Promise<ModelFacts> {
  const file = await RandomAccessFile.open(path);
  try {
    return parseModelMetadata(path, (await openSafetensors(file)).metadata);
  } finally {
    await file.close();
  }
}

/**
 * The path of a run's model file.
 * @param checkpoint default: the best one; before the first validation the last one
 * @throws RequestError `not_available` if the run does not have it
 */
export async function modelFileOf(
  { folder }: FoundRun,
  checkpoint: 'best' | 'last' | undefined,
): Promise<string> {
  const { bestFile, lastFile } = folder;
  const wanted =
    checkpoint === 'best' ? [bestFile] : checkpoint === 'last' ? [lastFile] : [bestFile, lastFile];
  for (const path of wanted) if (await isFile(path)) return path;
  throw new RequestError(
    'not_available',
    `This run has no ${checkpoint ?? ''} model yet.`.replace('  ', ' '),
  );
}

/**
 * A run's model for a download, one tensor at a time: without the optimizer's state and without folders of this machine.
 * @returns the pieces, the last of which closes the file
 * @throws UserError when the file is damaged
 */
export async function modelDownload(path: string, name: string): Promise<SafetensorsPieces> {
  const file = await RandomAccessFile.open(path);
  try {
    const { metadata, tensors } = await openSafetensors(file);
    const facts = parseModelMetadata(name, metadata);
    const sources = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    const read = async (tensor: string) => {
      const source = sources.get(tensor)!;
      const values = new Float32Array(elementCount(source.shape));
      await source.read((part, offset) => values.set(part, offset));
      return values;
    };
    const shown = { ...facts, provenance: hidePathsIn(facts.provenance) };
    const { bytes, pieces } = modelPieces(name, shown, deferredTensors(facts.network, read));
    return { bytes, pieces: closing(pieces, file) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function* closing(pieces: SafetensorsPieces['pieces'], file: RandomAccessFile) {
  try {
    yield* pieces;
  } finally {
    await file.close();
  }
}
