/** Reads the files that Keras saves: .h5 and .weights.h5 (HDF5), and .keras, a zip archive that contains such a file. */
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import { readDatasetBytes } from '../../containers/hdf5/dataset.ts';
import { type Group, readHdf5 } from '../../containers/hdf5/hdf5-reader.ts';
import type { Hdf5Source } from '../../containers/hdf5/hdf5-source.ts';
import { ZipReader } from '../../containers/zip/zip-reader.ts';
import { damaged } from '../../weight-errors.ts';
import { hasSignature, SIGNATURE_BYTES } from '../signatures.ts';
import { parseFacts, type WeightContent } from '../weight-content.ts';
import { readConfig } from './config.ts';
import { kerasNetwork } from './keras-network.ts';
import { readKerasLayers } from './layers.ts';

/** The dataset of verydeep's facts; Keras ignores it. */
export const METADATA_DATASET = 'verydeep';
const MAX_CONFIG_BYTES = 16 * 2 ** 20;

/** @throws UserError when the file breaks its format. */
export async function openKeras(file: RandomAccessFile): Promise<WeightContent> {
  const start = await file.read(0, Math.min(SIGNATURE_BYTES, file.size));
  return hasSignature(start, 'zip') ? openArchive(file) : openHdf5(file);
}

async function openHdf5(file: RandomAccessFile): Promise<WeightContent> {
  const { source, root } = await readHdf5(file.path, file, file.size);
  const config = root.attributes.get('model_config')?.[0];
  return contentOf(source, root, config, config ? 'Keras, model in HDF5' : 'Keras, weights in HDF5');
}

async function openArchive(file: RandomAccessFile): Promise<WeightContent> {
  const { path } = file;
  const zip = await ZipReader.open(file);
  if (!zip.has('model.weights.h5')) throw damaged(path, 'Keras', 'the zip archive has no model.weights.h5');
  const config = (await zip.readSmall('config.json', MAX_CONFIG_BYTES)).toString('utf8');
  const section = await zip.section('model.weights.h5');
  const { source, root } = await readHdf5(path, section, section.size);
  return contentOf(source, root, config, 'Keras, .keras archive');
}

async function contentOf(
  source: Hdf5Source,
  root: Group,
  config: string | undefined,
  description: string,
): Promise<WeightContent> {
  const layers = readKerasLayers(source, root);
  const described = config === undefined ? undefined : readConfig(config, (fault) => source.broken(fault));
  return {
    description,
    tensors: layers.flatMap(({ tensors }) => [...tensors.values()]),
    metadata: await readMetadata(source, root),
    network: () => kerasNetwork(source.path, layers, described),
  };
}

async function readMetadata(source: Hdf5Source, root: Group): Promise<Record<string, string>> {
  const dataset = root.datasets.get(METADATA_DATASET);
  if (!dataset) return {};
  const facts = parseFacts((await readDatasetBytes(source, dataset)).toString('utf8'));
  if (!facts) throw source.broken("verydeep's facts in it are damaged");
  return facts;
}
