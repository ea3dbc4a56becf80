/**
 * What `torch.save` writes: since 1.6 a zip archive with the pickle `data.pkl` and the storages `data/0`,
 * `data/1`, …; before, a stream of pickles with the storages behind them.
 * https://pytorch.org/docs/stable/notes/serialization.html
 */
import { UserError } from '../../../core/errors.ts';
import { withFile } from '../../../core/random-access-file.ts';
import { ZipReader } from '../../containers/zip/zip-reader.ts';
import { damaged } from '../../import/errors.ts';
import type { WeightFile } from '../weight-file.ts';
import { openLegacy } from './legacy.ts';
import { PickleError, unpickle } from './pickle-reader.ts';
import { tensorsOf } from './state-dict.ts';
import { sourceTensor } from './tensor-view.ts';
import { torchHost } from './torch-host.ts';

/** A pickle of names and shapes; a network has a few kilobytes. */
const MAX_PICKLE_BYTES = 64 * 2 ** 20;
/** What verydeep adds to the archives that it writes; PyTorch passes over it. */
export const METADATA_ENTRY = 'verydeep.json';

/** Opens a PyTorch file of either form. @throws UserError when it breaks the format or asks for more than tensors. */
export async function openPytorch(path: string): Promise<WeightFile> {
  const start = await withFile(path, (file) => file.read(0, Math.min(4, file.size)));
  return start.toString('latin1') === 'PK\x03\x04' ? openArchive(path) : openLegacy(path);
}

async function openArchive(path: string): Promise<WeightFile> {
  const zip = await ZipReader.open(path);
  try {
    const root = rootOf(path, zip);
    await checkByteOrder(path, zip, root);
    const pickle = await zip.readSmall(`${root}data.pkl`, MAX_PICKLE_BYTES);
    const value = readPickle(path, pickle);
    const tensors = [...tensorsOf(value)].map(([name, tensor]) =>
      sourceTensor(path, name, tensor, async () => {
        const source = await zip.section(`${root}data/${tensor.storage.key}`);
        return { source, position: 0, bytes: source.size };
      }),
    );
    return {
      path,
      format: 'pytorch',
      description: 'PyTorch, zip archive',
      bytes: zip.file.size,
      tensors,
      metadata: await readMetadata(path, zip, root),
      close: () => zip.close(),
    };
  } catch (error) {
    await zip.close();
    throw error;
  }
}

/** The folder that everything is in: the file's name when it was saved, or `archive`. */
function rootOf(path: string, zip: ZipReader): string {
  const pickles = zip.entries.filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw damaged(path, 'PyTorch', `the zip archive has ${pickles.length} files */data.pkl instead of one`);
  }
  const root = pickles[0]!.name.slice(0, -'data.pkl'.length);
  if (zip.has(`${root}constants.pkl`)) {
    throw new UserError(
      `${path} is a TorchScript program; save the model's state_dict() alone and convert that`,
    );
  }
  return root;
}

async function checkByteOrder(path: string, zip: ZipReader, root: string): Promise<void> {
  if (!zip.has(`${root}byteorder`)) return;
  const order = (await zip.readSmall(`${root}byteorder`, 16)).toString('latin1').trim();
  if (order !== 'little') {
    throw new UserError(
      `${path} was written in ${order}-endian order, which is not read; save it again on another machine`,
    );
  }
}

/** @throws UserError for what the pickle is or asks for. */
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
  try {
    const facts = JSON.parse((await zip.readSmall(name, MAX_PICKLE_BYTES)).toString('utf8')) as unknown;
    if (
      typeof facts === 'object' &&
      facts !== null &&
      Object.values(facts).every((fact) => typeof fact === 'string')
    ) {
      return facts as Record<string, string>;
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
  }
  throw damaged(path, 'PyTorch', `${name} holds no metadata of verydeep's`);
}
