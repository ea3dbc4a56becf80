import { open, rm } from 'node:fs/promises';
import { systemErrorCode } from './errors.ts';

const FULL = ['ENOSPC', 'EDQUOT'];
const CHUNK = new Uint8Array(2 ** 20);

/**
 * A file that keeps disk space for an emergency: when the disk is full, the file makes room for what must not be lost.
 * File systems that compress or share blocks may give less room than the file's size.
 */
export class DiskReserve {
  readonly #path: string;
  #left = true;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @returns undefined if the disk does not have so much room, or the file cannot be written */
  static async take(path: string, bytes: number): Promise<DiskReserve | undefined> {
    try {
      await using file = await open(path, 'w');
      for (let left = bytes; left > 0; left -= CHUNK.length) {
        await file.write(CHUNK, 0, Math.min(left, CHUNK.length));
      }
      await file.sync();
      return new DiskReserve(path);
    } catch {
      await rm(path, { force: true }).catch(() => {});
      return undefined;
    }
  }

  /**
   * Writes and, if that fails because the disk is full, frees the space and writes again.
   * @param onFreed called when the space had to be freed
   */
  async write(work: () => Promise<void>, onFreed: () => void): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.#left || !FULL.includes(systemErrorCode((error as Error).cause) ?? '')) throw error;
      await this.release();
      await work();
      onFreed();
    }
  }

  async release(): Promise<void> {
    this.#left = false;
    await rm(this.#path, { force: true });
  }
}
