/** The files of a tar file that holds a tree of folders, not the samples of a WebDataset shard. */
import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { UserError } from '../../../core/errors.ts';
import { withFile } from '../../../core/random-access-file.ts';
import { isImageName } from '../../pixels/image-formats.ts';
import type { FileList } from '../file-list.ts';
import { readTar, type TarLink } from '../shards/tar.ts';
import { type ArchiveEntry, ArchiveTree, byName, cleanName } from './archive-tree.ts';

interface TarPart extends ArchiveEntry {
  readonly offset: number;
  /** −1 for a link that leads to no file of the archive. */
  readonly size: number;
}

/** Reads the headers of a tar file. Links to files in it count as files. @throws UserError when it is damaged */
export async function openTarArchive(path: string): Promise<ArchiveTree> {
  // A later file replaces an earlier one of the same name, as when the archive is unpacked.
  const parts = new Map<string, TarPart>();
  const links: TarLink[] = [];
  const add = (written: string, offset: number, size: number): void => {
    const name = cleanName(path, written);
    if (name !== undefined) parts.set(name, { name, offset, size });
  };
  await readTar(
    path,
    ({ name, offset, size }) => add(name, offset, size),
    (link) => {
      if (link.kind === 'folder') add(`${link.name}/`, 0, 0);
      else links.push(link);
    },
  );
  for (const { name, kind, target } of links) {
    const from = kind === 'hard link' ? '' : posix.dirname(name);
    const found = parts.get(posix.normalize(posix.join(from, target)));
    add(name, found?.offset ?? 0, found?.size ?? -1);
  }
  const entries = [...parts.values()].sort(byName);
  const offsets = Float64Array.from(entries, ({ offset }) => offset);
  const sizes = Float64Array.from(entries, ({ size }) => size);
  const { mtimeMs } = await stat(path);
  return new ArchiveTree(
    { path, entries },
    {
      read: async (i, name) => {
        if (sizes[i]! >= 0) return withFile(path, (file) => file.read(offsets[i]!, sizes[i]!));
        throw new UserError(
          `${name} could not be read: it is a link to a file outside the archive; pack it again with \`tar -h\``,
        );
      },
      version: (i) => `${sizes[i]} ${offsets[i]} ${mtimeMs}`,
    },
  );
}

/** Whether names are those of WebDataset samples: a label file beside an image, or images outside folders. */
export function isShard(names: FileList): boolean {
  const images = new Set<string>();
  const labels: string[] = [];
  let inFolders = false;
  for (let i = 0; i < names.length; i++) {
    const [, key, extension] = /^((?:.*\/)?[^/]+?)\.([^/]+)$/.exec(names.name(i)) ?? [];
    if (key === undefined) continue;
    if (/^(?:cls|json|txt)$/.test(extension!)) labels.push(key);
    if (!isImageName(names.name(i))) continue;
    images.add(key);
    inFolders ||= key.includes('/');
  }
  return !inFolders || labels.some((key) => images.has(key));
}
