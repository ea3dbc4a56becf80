/**
 * Reads the files that PyTorch writes. `torch.save`: since 1.6 a zip archive with the pickle `data.pkl` and the storages
 * `data/0`, `data/1`, …; before, a stream of pickles followed by the storages. `torch.jit.save`: such an archive with
 * code, which is ignored. `torch.export.save`: an archive of raw tensors, whose graph is ignored.
 * https://pytorch.org/docs/stable/notes/serialization.html
 */
import { UserError } from '../../../core/errors.ts';
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { ZipReader } from '../../containers/zip/zip-reader.ts';
import { damaged } from '../../weight-errors.ts';
import { hasSignature, SIGNATURE_BYTES } from '../signatures.ts';
import { parseFacts, type WeightContent } from '../weight-content.ts';
import { exportRoot, openExport } from './exported-program.ts';
import { openLegacy } from './legacy.ts';
import { operationsOfModules } from './module-operations.ts';
import { PickleError, unpickle } from './pickle-reader.ts';
import { holdsArrays, sourceTensor, tensorsOf } from './pickled-tensors.ts';
import { scriptOperations } from './script-operations.ts';
import { torchHost } from './torch-host.ts';

/** Limit for a pickle of names and shapes; a network's has a few kilobytes. */
const MAX_PICKLE_BYTES = 64 * 2 ** 20;
/** Limit for the code of one file of a TorchScript program. */
const MAX_CODE_BYTES = 4 * 2 ** 20;
/** The entry that verydeep adds to archives; PyTorch ignores it. */
export const METADATA_ENTRY = 'verydeep.json';

/** Reads a PyTorch file of either kind. @throws UserError when it violates the format or needs more than tensors. */
export async function openPytorch(file: RandomAccessFile): Promise<WeightContent> {
  const start = await file.read(0, Math.min(SIGNATURE_BYTES, file.size));
  return hasSignature(start, 'zip') ? openArchive(file) : openLegacy(file);
}

/** Whether a zip archive with these entries is a file of PyTorch. */
export function isPytorchArchive(names: readonly string[]): boolean {
  return exportRoot(names) !== undefined || names.some((name) => PICKLE.test(name));
}

const PICKLE = /^[^/]+\/data\.pkl$/;

async function openArchive(file: RandomAccessFile): Promise<WeightContent> {
  const { path } = file;
  const zip = await ZipReader.open(file);
  const exported = exportRoot(zip.names);
  if (exported !== undefined) {
    await checkByteOrder(path, zip, exported);
    return openExport(path, zip, exported);
  }
  const root = rootOf(path, zip);
  await checkByteOrder(path, zip, root);
  const value = readPickle(path, await zip.readSmall(`${root}data.pkl`, MAX_PICKLE_BYTES));
  const isScript = zip.has(`${root}constants.pkl`);
  const found = tensorsOf(value);
  if (isScript && found.size === 0) {
    throw new UserError(
      `${path} is a frozen TorchScript program, whose tensors have no names; save the model before it is frozen, in Python: torch.save(model.state_dict(), "model.pth")`,
    );
  }
  if (found.size === 0 && holdsArrays(value)) {
    throw new UserError(
      `${path} holds NumPy arrays instead of tensors; save them in Python with numpy.savez, or as tensors with torch.save`,
    );
  }
  const tensors = [...found].map(([name, tensor]) =>
    sourceTensor(path, name, tensor, async () => {
      const source = await zip.section(`${root}data/${tensor.storage.key}`);
      return { source, position: 0, bytes: source.size };
    }),
  );
  const description = isScript ? 'PyTorch, TorchScript' : 'PyTorch, zip archive';
  const operations = isScript
    ? { list: scriptOperations(await readCode(zip, root)), areAll: true }
    : operationsOfModules(value);
  return { description, tensors, metadata: await readMetadata(path, zip, root), operations };
}

/** The code of a TorchScript program, by its path. */
async function readCode(zip: ZipReader, root: string): Promise<Map<string, string>> {
  const folder = `${root}code/`;
  const names = zip.names.filter((name) => name.startsWith(folder) && name.endsWith('.py'));
  const entries = new Map<string, string>();
  for (const name of names) {
    const code = await zip.readSmall(name, MAX_CODE_BYTES);
    entries.set(name.slice(folder.length), code.toString('utf8'));
  }
  return entries;
}

/** The folder of all entries: the file's name when it was saved, or `archive`. */
function rootOf(path: string, zip: ZipReader): string {
  const pickles = zip.names.filter((name) => PICKLE.test(name));
  if (pickles.length !== 1) {
    throw damaged(path, 'PyTorch', `the zip archive has ${pickles.length} files */data.pkl instead of one`);
  }
  return pickles[0]!.slice(0, -'data.pkl'.length);
}

async function checkByteOrder(path: string, zip: ZipReader, root: string): Promise<void> {
  if (!zip.has(`${root}byteorder`)) return;
  const order = (await zip.readSmall(`${root}byteorder`, 16)).toString('latin1').trim();
  if (order !== 'little') {
    throw new UserError(
      `${path} was written in ${order}-endian order, which is not supported; save it again on a little-endian machine`,
    );
  }
}

/** @throws UserError when the pickle is malformed or needs more than tensors. */
function readPickle(path: string, bytes: Uint8Array) {
  try {
    return unpickle(bytes, torchHost()).value;
  } catch (error) {
    if (!(error instanceof PickleError)) throw error;
    throw new UserError(`${path}: its pickle ${error.message}`, { cause: error });
  }
}

async function readMetadata(path: string, zip: ZipReader, root: string): Promise<Record<string, string>> {
  const name = `${root}${METADATA_ENTRY}`;
  if (!zip.has(name)) return {};
  const facts = parseFacts((await zip.readSmall(name, MAX_PICKLE_BYTES)).toString('utf8'));
  if (!facts) throw damaged(path, 'PyTorch', `verydeep's facts in ${name} are damaged`);
  return facts;
}
