/** Opens what Keras saves: .h5 and .weights.h5 (HDF5), and .keras, a zip archive with such a file in it. */
import { UserError } from '../../../core/errors.ts';
import { RandomAccessFile, withFile } from '../../../core/random-access-file.ts';
import { readDatasetBytes } from '../../containers/hdf5/dataset.ts';
import { type Group, readHdf5 } from '../../containers/hdf5/file.ts';
import type { Hdf5Source } from '../../containers/hdf5/source.ts';
import { ZipReader } from '../../containers/zip/zip-reader.ts';
import { damaged } from '../../import/errors.ts';
import type { ByteSource } from '../../tensors/source-tensor.ts';
import type { WeightFile } from '../weight-file.ts';
import { readConfig } from './config.ts';
import { readKerasLayers } from './layers.ts';
import { kerasNetwork } from './network.ts';

/** The dataset that verydeep keeps its facts in; Keras passes over it. */
export const METADATA_DATASET = 'verydeep';
const MAX_CONFIG_BYTES = 16 * 2 ** 20;

/** @throws UserError when the file breaks its format or holds no VGG network. */
export async function openKeras(path: string): Promise<WeightFile> {
  const start = await withFile(path, (file) => file.read(0, Math.min(4, file.size)));
  return start.toString('latin1') === 'PK\x03\x04' ? openArchive(path) : openHdf5(path);
}

async function openHdf5(path: string): Promise<WeightFile> {
  const file = await RandomAccessFile.open(path);
  return guarded(
    () => file.close(),
    async () => {
      const { source, root } = await readHdf5(path, file, file.size);
      const config = root.attributes.get('model_config')?.[0];
      const form = config ? 'model in HDF5' : 'weights in HDF5';
      return weightFile(path, source, root, { config, description: `Keras, ${form}`, bytes: file.size });
    },
  );
}

async function openArchive(path: string): Promise<WeightFile> {
  const zip = await ZipReader.open(path);
  return guarded(
    () => zip.close(),
    async () => {
      if (!zip.has('model.weights.h5')) {
        throw damaged(path, 'Keras', 'the zip archive has no model.weights.h5');
      }
      const config = (await zip.readSmall('config.json', MAX_CONFIG_BYTES)).toString('utf8');
      const section = await zip.section('model.weights.h5');
      const { source, root } = await readHdf5(path, section as ByteSource, section.size);
      return weightFile(path, source, root, {
        config,
        description: 'Keras, .keras archive',
        bytes: zip.file.size,
      });
    },
  );
}

interface Opened {
  readonly config: string | undefined;
  readonly description: string;
  readonly bytes: number;
}

async function weightFile(
  path: string,
  source: Hdf5Source,
  root: Group,
  { config, description, bytes }: Opened,
): Promise<Omit<WeightFile, 'close'>> {
  const layers = readKerasLayers(source, root);
  const described = config === undefined ? undefined : readConfig(config, (what) => source.broken(what));
  return {
    path,
    format: 'keras',
    description,
    bytes,
    tensors: layers.flatMap(({ tensors }) => [...tensors.values()]),
    metadata: await readMetadata(source, root),
    network: () => kerasNetwork(path, layers, described),
  };
}

async function readMetadata(source: Hdf5Source, root: Group): Promise<Record<string, string>> {
  const dataset = root.datasets.get(METADATA_DATASET);
  if (!dataset) return {};
  try {
    const facts = JSON.parse((await readDatasetBytes(source, dataset)).toString('utf8')) as unknown;
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
  throw source.broken('the facts that verydeep wrote into it are damaged');
}

/** Closes at the end of the file's use, or at once when opening fails. */
async function guarded(
  close: () => Promise<void>,
  open: () => Promise<Omit<WeightFile, 'close'>>,
): Promise<WeightFile> {
  try {
    return { ...(await open()), close };
  } catch (error) {
    await close();
    throw error;
  }
}
