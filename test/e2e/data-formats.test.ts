import assert from 'node:assert/strict';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { zipSync } from 'fflate';
import { trainNetwork } from '../../src/api/train-network.ts';
import type { ImageSource } from '../../src/data/sources/image-source.ts';
import { openImages } from '../../src/data/sources/open-images.ts';
import { resolveRecipe } from '../../src/train/resolve-recipe.ts';
import { type Files, tar, writeFiles } from '../support/images.ts';
import { range } from '../support/lists.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { type CommandLine, failed, jsonOf, succeeded, vggWith } from './cli-process.ts';
import { assertSameTensors, linesOf, QUICK } from './training-runs.ts';

const HUB = join(import.meta.dirname, '../../../test/fixtures/parquet/hub');

/** The images of a split of the Parquet files, as class folders. */
async function filesOf(source: ImageSource, split: string): Promise<Files> {
  const files: Record<string, Uint8Array> = {};
  for (const row of range(source.length)) {
    const stored = await source.read(row);
    assert.ok(stored.kind === 'encoded');
    const name = `${split}/${source.classes[source.label(row)]}/${split}-${String(row).padStart(2, '0')}.png`;
    files[name] = stored.bytes;
  }
  return files;
}

describe('data sets of every format', () => {
  const work = new TemporaryFolder();
  const vgg = (...command: CommandLine) => vggWith({ XDG_CACHE_HOME: work.path('cache') }, ...command);
  let files: Record<string, Uint8Array>;
  const train = async (data: string, name: string, ...more: string[]) => {
    await succeeded(vgg`train ${data} --out ${work.path('runs', name)} ${QUICK} --iterations 3 ${more}`);
    return work.path('runs', name, 'last.safetensors');
  };
  /** As `train`, in this process: that is much faster. */
  const trainHere = async (data: string, name: string) => {
    const keys = { config: 'A', width: 0.05, crop: 32, scale: '32..40', batch: 12, iterations: 3 };
    await trainNetwork({ data, out: work.path('runs', name), recipe: resolveRecipe(keys, 'the test') });
    return work.path('runs', name, 'last.safetensors');
  };

  before(async () => {
    const parts = (['train', 'val'] as const).map(async (split) =>
      filesOf(await openImages(HUB, { split }), split),
    );
    files = Object.assign({}, ...(await Promise.all(parts)));
    await writeFiles(work.path('folder'), files);
    await trainHere(work.path('folder'), 'folder');
  });

  /** Writes a list of images, its lines in another order than the images. */
  const writeList = (
    name: string,
    line: (path: string, label: string, split: string) => string,
    header: string,
  ) => {
    const lines = Object.keys(files).map((path) => line(path, path.split('/')[1]!, path.split('/')[0]!));
    return writeFile(work.path(name), [header, ...lines.toReversed()].join('\n'));
  };

  it('train the same network: Parquet, zip, tar, CSV, JSON lines', async () => {
    await writeFile(work.path('photos.zip'), zipSync({ photos: files as Record<string, Uint8Array> }));
    await writeFile(work.path('photos.tar'), await tar(Object.entries(files)));
    await writeList(
      'folder/list.csv',
      (path, label, split) => `"${path}";${split};${label}`,
      'file;split;what is it',
    );
    await writeFiles(work.path('hub'), {});
    for (const split of ['train', 'val']) {
      await cp(work.path('folder', split), work.path('metadata', split), { recursive: true });
      const lines = Object.keys(files)
        .filter((path) => path.startsWith(split))
        .map((path) =>
          JSON.stringify({ file_name: path.slice(split.length + 1), label: path.split('/')[1] }),
        );
      await writeFile(work.path('metadata', split, 'metadata.jsonl'), lines.join('\n'));
    }
    const locations = {
      parquet: HUB,
      zip: work.path('photos.zip'),
      tar: work.path('photos.tar'),
      csv: work.path('folder/list.csv'),
      metadata: work.path('metadata'),
    };
    for (const [name, location] of Object.entries(locations)) {
      await assertSameTensors(await trainHere(location, name), work.path('runs/folder/last.safetensors'));
    }
  });

  it('record the columns and the folder of a list with the run', async () => {
    await writeList(
      'two.csv',
      (path, label) => `${path.split('/').slice(1).join('/')},${label},1`,
      'path,label,class',
    );
    const list = work.path('two.csv');
    await failed(
      vgg`train ${list} --out ${work.path('runs/x')} ${QUICK}`,
      1,
      /it is unclear which column has the labels/,
    );
    await writeFiles(
      work.path('flat'),
      Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path.replace(/^\w+\//, ''), bytes])),
    );
    const model = await train(list, 'two', '--columns', 'path,label', '--root', work.path('flat'));
    await succeeded(vgg`report ${work.path('runs/two')}`);
    await succeeded(vgg`train --out ${work.path('runs/two')} --resume --iterations 4`);
    const evaluated = await jsonOf(
      vgg`evaluate ${list} --columns path,label --root ${work.path('flat')} --model ${model} --json`,
    );
    assert.equal(evaluated.images > 0, true);
  });

  it('give features with labels, and are packed', async () => {
    const model = work.path('runs/folder/last.safetensors');
    const out = work.path('features.jsonl');
    await succeeded(vgg`features ${HUB} --model ${model} --layer fc7 --out ${out}`);
    const lines = await linesOf(out);
    assert.deepEqual(lines.map(({ label }) => label).slice(0, 6), ['cat', 'cat', 'cat', 'cat', 'cat', 'dog']);
    await succeeded(vgg`pack ${work.path('photos.zip')} ${work.path('packed')}`);
    assert.equal((await openImages(work.path('packed'))).length, 15);
  });

  it('report files of a list that are missing, and leave them out if told so', async () => {
    await writeList(
      'folder/gaps.csv',
      (path, label) => `${path},${label}`,
      'path,label\ntrain/cat/99.png,cat',
    );
    const out = work.path('runs/gaps');
    await failed(
      vgg`train ${work.path('folder/gaps.csv')} --out ${out} ${QUICK}`,
      1,
      /1 of the \d+ images.*\n.*train\/cat\/99\.png could not be read/,
    );
    await succeeded(
      vgg`train ${work.path('folder/gaps.csv')} --out ${work.path('runs/gaps2')} ${QUICK} --iterations 1 --skip-bad`,
    );
  });
});
