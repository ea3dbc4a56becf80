import { createHash } from 'node:crypto';
import { join, posix } from 'node:path';
import { withSlashes } from '../../../core/paths.ts';
import type { FileList } from '../file-list.ts';
import type { ImageSource } from '../image-source.ts';
import type { Split } from '../splits.ts';
import type { FileTree } from './file-tree.ts';
import type { UnusedFiles } from './unused-files.ts';

interface FileSourceOptions {
  readonly location: string;
  readonly split?: Split;
  /** Where the files are. */
  readonly tree: FileTree;
  /** The folder that the paths in `files` start from. */
  readonly root: string;
  readonly classes: readonly string[];
  /** Default: `classes`. */
  readonly labels?: readonly string[];
  readonly files: FileList;
  readonly unused?: UnusedFiles;
}

/** A source of image files. */
export function fileSource(options: FileSourceOptions): ImageSource {
  const { location, split, tree, root, classes, labels = classes, files, unused } = options;
  // With slashes on Windows, too, where names are compared with those in lists, and with those of other machines.
  const imageName = (index: number): string => posix.join(withSlashes(root), files.name(index));
  let fingerprint: Promise<string> | undefined;
  return {
    location,
    split,
    classes,
    labels,
    unused,
    length: files.length,
    label: (index) => files.labels[index]!,
    imageName,
    read: async (index) => ({ kind: 'encoded', bytes: await tree.readBytes(imageName(index)) }),
    fingerprint: () => (fingerprint ??= fingerprintOf(options)),
  };
}

/**
 * A hash of every name and label, but of the sizes and times of only 2048 evenly spread images at most. Asking the file
 * system about 1.3 million files takes minutes on a network disk, and typical changes to data sets (another download,
 * re-encoding, a subset) touch every file or change the names. Folder times are left out, since any hidden file that a
 * file manager writes would change them.
 */
async function fingerprintOf({ tree, root, classes, files }: FileSourceOptions): Promise<string> {
  const hash = createHash('sha256').update(`files\0${classes.join('\0')}\0\0`);
  for (const part of files.hashParts()) hash.update(part);
  const sampled = Math.min(files.length, 2048);
  for (let i = 0; i < sampled; i++) {
    const path = join(root, files.name(Math.floor((i * files.length) / sampled)));
    try {
      hash.update(`${await tree.versionOf(path)}\n`);
    } catch {
      // Whoever reads the image finds out why it cannot be read, and may leave it out.
      hash.update('unreadable\n');
    }
  }
  return hash.digest('hex');
}
