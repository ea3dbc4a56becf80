/** Shared by the end-to-end tests of training: a small set of real images, and a recipe that takes seconds. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { jpeg, png, writeFiles } from '../support/images.ts';
import { mainFile, type Outcome, vggWith } from './cli-process.ts';

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

/** The words of a command line: words`train ${folder} ${flags} --seed 4`. Values are never split, lists are spread. */
export function words(
  texts: TemplateStringsArray,
  ...values: (string | number | readonly string[])[]
): string[] {
  // Values are cut out before the text is split, and put back into the words.
  const text = texts.reduce((line, piece, i) => `${line}\0${i - 1}\0${piece}`);
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .flatMap((word) => {
      const list = values[Number(/^\0(\d+)\0$/.exec(word)?.[1])];
      if (typeof list === 'object') return list;
      return word.replaceAll(/\0(\d+)\0/g, (_, i) => String(values[i]));
    });
}

/** Flags for training in seconds: configuration A at a twentieth of its width. */
export const QUICK = words`--config A --width 0.05 --crop 32 --scale 32..40 --batch 12 --micro-batch 8 --log-every 1`;

/** @throws AssertionError with the messages of a command that failed. */
export function assertSucceeded(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

/** A folder for one test file, with photographs in `photos` and a separate cache. */
export class Workplace {
  folder = '';

  constructor() {
    before(async () => {
      this.folder = await mkdtemp(join(tmpdir(), 'verydeep-e2e-'));
      await writePhotos(this.path('photos'));
    });
    after(() => rm(this.folder, { recursive: true, force: true }));
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  get environment(): NodeJS.ProcessEnv {
    return { XDG_CACHE_HOME: this.path('cache') };
  }

  vgg(...args: string[]): Promise<Outcome> {
    return vggWith(this.environment, ...args);
  }

  /** Runs `vgg`, which must succeed: work.ok`train ${photos} --out ${run}`. */
  async ok(...line: Parameters<typeof words>): Promise<Outcome> {
    return assertSucceeded(await this.vgg(...words(...line)));
  }

  /** Runs `vgg`, which must fail with this exit code and message. */
  fails(code: number, message: RegExp) {
    return async (...line: Parameters<typeof words>): Promise<Outcome> => {
      const outcome = await this.vgg(...words(...line));
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, message);
      return outcome;
    };
  }

  /** Starts `vgg` without waiting for it to exit. */
  start(...args: string[]): ChildProcess {
    return spawn(process.execPath, [mainFile, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.environment },
    });
  }
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
