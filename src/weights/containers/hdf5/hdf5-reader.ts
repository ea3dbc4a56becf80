/**
 * Reads HDF5 files as Keras writes them: groups, text attributes, datasets of floating-point numbers.
 * https://docs.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */
import { HDF5_SIGNATURE } from '../../formats/signatures.ts';
import type { ByteSource } from '../../tensors/source-tensor.ts';
import { readAttributes } from './attributes.ts';
import { type Dataset, readDataset } from './dataset.ts';
import { readLinks } from './group.ts';
import { Hdf5Source } from './hdf5-source.ts';
import { readObjectHeader } from './object-header.ts';

export interface Group {
  /** `layers/conv2d/vars`; '' for the root. */
  readonly path: string;
  readonly attributes: ReadonlyMap<string, readonly string[]>;
  readonly groups: ReadonlyMap<string, Group>;
  readonly datasets: ReadonlyMap<string, Dataset>;
}

/** Greatest depth of nested groups; a saved model has less. */
const MAX_DEPTH = 24;

/**
 * Reads the tree of a file without its data.
 * @throws UserError naming the file and the fault.
 */
export async function readHdf5(
  path: string,
  bytes: ByteSource,
  size: number,
): Promise<{ source: Hdf5Source; root: Group }> {
  const source = new Hdf5Source(path, bytes, size);
  const address = await readSuperblock(source);
  const seen = new Set<number>();
  const visit = async (at: number, name: string, depth: number): Promise<Group | Dataset | undefined> => {
    // Following a hard link to a parent group would never end.
    if (seen.has(at) || depth > MAX_DEPTH) throw source.broken(`${name || 'its root'} contains itself`);
    seen.add(at);
    const messages = await readObjectHeader(source, at);
    const links = await readLinks(source, messages);
    if (!links) return readDataset(source, name, messages);
    const groups = new Map<string, Group>();
    const datasets = new Map<string, Dataset>();
    for (const [link, target] of links) {
      const child = await visit(target, name === '' ? link : `${name}/${link}`, depth + 1);
      if (child && 'groups' in child) groups.set(link, child);
      else if (child) datasets.set(link, child);
    }
    return { path: name, attributes: await readAttributes(source, messages), groups, datasets };
  };
  const root = await visit(address, '', 0);
  if (!root || !('groups' in root)) throw source.broken('its root is not a group');
  return { source, root };
}

/** @returns the address of the root's object header */
async function readSuperblock(source: Hdf5Source): Promise<number> {
  const cursor = (await source.at(0, Math.min(source.size, 96))).expect(HDF5_SIGNATURE);
  const version = cursor.u8();
  if (version > 3) throw source.broken(`its superblock has version ${version}`);
  if (version < 2) {
    cursor.skip(4);
    checkSizes(source, cursor.u8(), cursor.u8());
    // A reserved byte, two ranks of B-trees, flags; version 1 has one more rank.
    cursor.skip(version === 0 ? 9 : 13);
    checkBase(source, cursor.u64());
    return cursor.skip(24).skip(8).u64();
  }
  checkSizes(source, cursor.u8(), cursor.u8());
  cursor.skip(1);
  checkBase(source, cursor.u64());
  return cursor.skip(16).u64();
}

function checkSizes(source: Hdf5Source, offsets: number, lengths: number): void {
  if (offsets !== 8 || lengths !== 8) {
    throw source.broken(
      `its addresses and lengths have ${offsets} and ${lengths} bytes, and only 8 are supported`,
    );
  }
}

function checkBase(source: Hdf5Source, base: number): void {
  if (base !== 0) throw source.broken(`its base address is ${base} instead of 0`);
}
