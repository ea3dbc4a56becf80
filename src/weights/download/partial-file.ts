import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';

/** The part of a file that has arrived, and which version of the file it is a part of. */
export class PartialFile {
  readonly path: string;
  readonly #target: string;

  constructor(target: string) {
    this.#target = target;
    this.path = `${target}.partial`;
  }

  async size(): Promise<number> {
    return (await stat(this.path).catch(() => undefined))?.size ?? 0;
  }

  /** The version's mark, such as an ETag; undefined without one. */
  async version(): Promise<string | undefined> {
    const text = await readFile(`${this.path}.version`, 'utf8').catch(() => '');
    return text === '' ? undefined : text;
  }

  async start(version: string | undefined): Promise<void> {
    await this.discard();
    if (version !== undefined) await writeFile(`${this.path}.version`, version);
  }

  async discard(): Promise<void> {
    for (const path of [this.path, `${this.path}.version`]) await rm(path, { force: true });
  }

  async finish(): Promise<void> {
    await rename(this.path, this.#target);
    await this.discard();
  }
}
