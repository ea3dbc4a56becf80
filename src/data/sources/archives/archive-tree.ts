import { relative, resolve } from 'node:path';
import { byCodePoint } from '../../../core/class-names.ts';
import { UserError } from '../../../core/errors.ts';
import { withSlashes } from '../../../core/paths.ts';
import { FileList } from '../file-list.ts';
import { disk, type FileTree, isHidden, type Listing } from '../folders/file-tree.ts';

/** A file in an archive, or a folder, whose name ends with a slash. */
export interface ArchiveEntry {
  /** The path in the archive, as cleanName returns it. */
  readonly name: string;
}

interface Archive<E extends ArchiveEntry> {
  /** The archive's path. */
  readonly path: string;
  /** Sorted by name, in UTF-16 code units; names are unique. */
  readonly entries: readonly E[];
}

/** How the files of one kind of archive are read, by number. */
interface ArchiveFiles {
  /** @param name the file's path, for messages */
  read(index: number, name: string): Promise<Buffer>;
  /** See FileTree.versionOf. */
  version(index: number): string;
}

/**
 * An archive as a tree of files. A million names are kept as one buffer and found by bisection. Paths outside the archive
 * are those of the disk: lists of synsets may be beside an archive.
 */
export class ArchiveTree implements FileTree {
  /** The archive's path. */
  readonly path: string;
  /** All files, and folders with a slash at the end; sorted. */
  readonly names: FileList;
  readonly #root: string;
  readonly #files: ArchiveFiles;

  constructor({ path, entries }: Archive<ArchiveEntry>, files: ArchiveFiles) {
    this.path = path;
    this.#root = resolve(path);
    this.names = FileList.of(entries.map(({ name }) => name));
    this.#files = files;
  }

  async kindOf(path: string): Promise<'folder' | 'file' | 'nothing'> {
    const name = this.#nameOf(path);
    if (name === undefined) return disk.kindOf(path);
    if (this.#isFolder(name)) return 'folder';
    return this.#find(name) === undefined ? 'nothing' : 'file';
  }

  async listFolder(path: string): Promise<Listing> {
    const folder = this.#nameOf(path);
    if (folder === undefined) return disk.listFolder(path);
    if (!this.#isFolder(folder))
      throw new UserError(`${path} is not a folder of ${this.path}; check the path`);
    const prefix = folder === '' ? '' : `${folder}/`;
    const folders: string[] = [];
    const files: string[] = [];
    for (let i = this.#firstFrom(prefix); i < this.names.length; ) {
      const name = this.names.name(i);
      if (!name.startsWith(prefix)) break;
      const [first = '', ...inner] = name.slice(prefix.length).split('/', 2);
      if (inner.length > 0) folders.push(first);
      else if (first !== '') files.push(first);
      // "0" follows "/": the next name is the first one outside this folder.
      i = inner.length > 0 ? this.#firstFrom(`${prefix}${first}0`) : i + 1;
    }
    const visible = (names: string[]): string[] => names.filter((name) => !isHidden(name));
    return { folders: visible(folders).sort(byCodePoint), files: visible(files).sort() };
  }

  async readBytes(path: string): Promise<Buffer> {
    const name = this.#nameOf(path);
    return name === undefined ? disk.readBytes(path) : this.#files.read(this.#indexOf(name, path), path);
  }

  async versionOf(path: string): Promise<string> {
    const name = this.#nameOf(path);
    return name === undefined ? disk.versionOf(path) : this.#files.version(this.#indexOf(name, path));
  }

  /** The path inside the archive; undefined: the path is outside. */
  #nameOf(path: string): string | undefined {
    const name = withSlashes(relative(this.#root, resolve(path)));
    return name === '..' || name.startsWith('../') ? undefined : name;
  }

  #indexOf(name: string, path: string): number {
    const index = this.#find(name);
    if (index !== undefined) return index;
    throw new UserError(`${path} could not be read: ${this.path} has no such file; check the path`);
  }

  #find(name: string): number | undefined {
    const index = this.#firstFrom(name);
    return index < this.names.length && this.names.name(index) === name ? index : undefined;
  }

  #isFolder(name: string): boolean {
    if (name === '') return true;
    const index = this.#firstFrom(`${name}/`);
    return index < this.names.length && this.names.name(index).startsWith(`${name}/`);
  }

  /** The number of the first name that does not sort before this one. */
  #firstFrom(name: string): number {
    let [low, high] = [0, this.names.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.names.name(middle) < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The normal form of a path in an archive: without `./` and `//`; folders keep a slash at the end.
 * @returns undefined for the archive's root
 * @throws UserError for a path that leads out of the archive
 */
export function cleanName(archive: string, name: string): string | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || /^[a-z]:/i.test(name) || parts.includes('..')) {
    throw new UserError(
      `${archive} has a file with the path "${name}", which is outside the archive; pack it again from inside its folder`,
    );
  }
  if (parts.length === 0) return undefined;
  return parts.join('/') + (/\/\.?$/.test(name) ? '/' : '');
}

export function byName({ name: a }: ArchiveEntry, { name: b }: ArchiveEntry): number {
  return a < b ? -1 : Number(a > b);
}
