/** Shared by the end-to-end tests of training: a small set of real images, and a recipe that takes seconds. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { before } from 'node:test';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { jpeg, png, writeFiles } from '../support/images.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { type CommandLine, type Outcome, startVgg, vggWith, words } from './cli-process.ts';

export const CLASSES = ['cat', 'dog', 'owl'] as const;

/** Eight images per class for training, four for validation; JPEG and PNG, of several sizes. */
export async function writePhotos(folder: string): Promise<void> {
  for (const [label, name] of CLASSES.entries()) {
    for (let i = 0; i < 12; i++) {
      const split = i < 8 ? 'train' : 'val';
      const seed = 2 * label + (i % 2);
      const image = i % 2 === 0 ? await jpeg(40 + i, 36, seed) : await png(34, 45 + i, seed);
      await writeFiles(folder, { [`${split}/${name}/${i}.${i % 2 === 0 ? 'jpg' : 'png'}`]: image });
    }
  }
}

/** Flags for training in seconds: configuration A at a twentieth of its width. */
export const QUICK = words`--config A --width 0.05 --crop 32 --scale 32..40 --batch 12 --micro-batch 8 --log-every 1`;

/** A folder for one test file, with photographs in `photos` and a separate cache. */
export class Workplace extends TemporaryFolder {
  constructor() {
    super();
    before(() => writePhotos(this.path('photos')));
  }

  get environment(): NodeJS.ProcessEnv {
    return { XDG_CACHE_HOME: this.path('cache') };
  }

  vgg(...command: CommandLine): Promise<Outcome> {
    return vggWith(this.environment, ...command);
  }

  /** Starts `vgg` without waiting for it to exit. */
  start(...command: CommandLine): ChildProcess {
    return startVgg(this.environment, ...command);
  }
}

/** The objects in a file of JSON lines. */
// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
export async function linesOf(path: string): Promise<any[]> {
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

export async function assertSameTensors(actual: string, expected: string): Promise<void> {
  assert.deepEqual(await tensorsOf(actual), await tensorsOf(expected));
}

/** Every tensor of a checkpoint, weights and velocities, as bytes in hexadecimal. */
export async function tensorsOf(path: string): Promise<ReadonlyMap<string, string>> {
  const { tensors } = await readSafetensors(path);
  return new Map(
    [...tensors.values()].map(({ name, data }) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
    ]),
  );
}
