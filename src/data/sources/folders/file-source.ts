/** Images that are files of their own, under one folder. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBytes, readingError } from '../../../core/files.ts';
import type { ImageSource, Split, StoredImage } from '../source.ts';
import type { FileList } from './file-list.ts';

export interface FileSourceFacts {
  readonly location: string;
  readonly split: Split | undefined;
  /** The folder that the list's names start from. */
  readonly root: string;
  readonly classes: readonly string[];
  readonly labels?: readonly string[];
  readonly files: FileList;
}

export class FileSource implements ImageSource {
  readonly location: string;
  readonly split: Split | undefined;
  readonly classes: readonly string[];
  readonly labels: readonly string[];
  readonly #root: string;
  readonly #files: FileList;
  #fingerprint: Promise<string> | undefined;

  constructor(facts: FileSourceFacts) {
    this.location = facts.location;
    this.split = facts.split;
    this.classes = facts.classes;
    this.labels = facts.labels ?? facts.classes;
    this.#root = facts.root;
    this.#files = facts.files;
  }

  get length(): number {
    return this.#files.length;
  }

  label(index: number): number {
    return this.#files.labels[index]!;
  }

  imageName(index: number): string {
    return join(this.#root, this.#files.name(index));
  }

  async read(index: number): Promise<StoredImage> {
    return { kind: 'encoded', bytes: await readBytes(this.imageName(index)) };
  }

  fingerprint(): Promise<string> {
    this.#fingerprint ??= this.#computeFingerprint();
    return this.#fingerprint;
  }

  /**
   * Every name and label, but sizes and times of at most 2048 images, evenly spread: to ask the file
   * system about 1.3 million files takes minutes on a network disk, and what happens to data sets (another
   * download, re-encoding, a subset) touches every file or changes the names. The times of the folders are
   * left out: any hidden file that a file manager writes would change them.
   */
  async #computeFingerprint(): Promise<string> {
    const hash = createHash('sha256');
    hash.update(`files\0${this.classes.join('\0')}\0\0`);
    for (const part of this.#files.hashParts()) hash.update(part);
    const sampled = Math.min(this.length, 2048);
    for (let i = 0; i < sampled; i++) {
      const path = this.imageName(Math.floor((i * this.length) / sampled));
      try {
        const { size, mtimeMs } = await stat(path);
        hash.update(`${size} ${mtimeMs}\n`);
      } catch (error) {
        throw readingError(path, error);
      }
    }
    return hash.digest('hex');
  }
}
