import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import type { StoredImage } from '../../src/data/sources/image-source.ts';
import { openImages } from '../../src/data/sources/open-images.ts';
import { jpeg, writeFiles } from '../support/images.ts';
import { pluck } from '../support/lists.ts';
import { failed, jsonOf, succeeded, words } from './cli-process.ts';
import { CLASSES, linesOf, QUICK, Workplace } from './training-runs.ts';

const bytesOf = (stored: StoredImage) => (stored.kind === 'encoded' ? Buffer.from(stored.bytes) : undefined);

describe('vgg pack', () => {
  const work = new Workplace();
  const pack = (out: string, ...more: string[]) =>
    work.vgg`pack ${work.path('photos')} ${work.path(out)} --images-per-shard 5 ${more}`;

  it('keeps order, labels and the bytes of images that are small enough', async () => {
    const { splits } = await jsonOf(pack('whole', '--json'));
    assert.deepEqual(pluck(splits, 'split'), ['train', 'val']);
    assert.deepEqual(pluck(splits, 'shards'), [5, 3]);
    assert.deepEqual(pluck(splits, 'images'), [24, 12]);
    assert.deepEqual(pluck(splits, 'rescaled'), [0, 0]);
    for (const split of ['train', 'val'] as const) {
      const from = await openImages(work.path('photos'), { split });
      const to = await openImages(work.path('whole'), { split });
      assert.deepEqual(to.classes, [...CLASSES]);
      assert.deepEqual([to.length, to.split], [from.length, split]);
      for (let i = 0; i < from.length; i++) {
        assert.equal(to.label(i), from.label(i));
        assert.deepEqual(bytesOf(await to.read(i)), bytesOf(await from.read(i)));
      }
    }
  });

  it('shrinks larger images to the given smaller side', async () => {
    const { splits } = await jsonOf(pack('small', '--scale', '33', '--json'));
    assert.equal(splits[0].rescaled, 24);
    const source = await openImages(work.path('small'), { split: 'train' });
    const { format, width, height } = await sharp(bytesOf(await source.read(0))).metadata();
    assert.equal(format, 'jpeg');
    assert.equal(Math.min(width, height), 33);
    const train = work.vgg`train ${work.path('small')} --out ${work.path('no')} ${QUICK} --color-profiles convert`;
    await failed(train, 1, /packed with --color-profiles ignore, not convert; give --color-profiles ignore/);
  });

  it('trains from shards to the same weights as from the folder', async () => {
    const lossesFrom = async (data: string) => {
      const out = work.path(`trained-from-${data}`);
      await succeeded(work.vgg`train ${work.path(data)} --out ${out} ${QUICK} --iterations 3`);
      return pluck(await linesOf(`${out}/metrics.jsonl`), 'loss');
    };
    assert.deepEqual(await lossesFrom('whole'), await lossesFrom('photos'));
  });

  it('continues after an interruption, writes no shard twice, and replaces missing or damaged shards', async () => {
    const args = words`pack ${work.path('photos')} ${work.path('killed')} --images-per-shard 1`;
    const child = work.start(...args);
    const ended = once(child, 'exit');
    while ((await readdir(work.path('killed')).catch(() => [])).length < 4) await new Promise(setImmediate);
    child.kill('SIGKILL');
    await ended;
    const first = await stat(work.path('killed', 'train-000000.tar'));
    const { splits } = await jsonOf(work.vgg(...args, '--json'));
    assert.equal(splits[0].images, 24);
    assert.equal((await stat(work.path('killed', 'train-000000.tar'))).mtimeMs, first.mtimeMs);
    const shard = work.path('whole', 'val-000001.tar');
    const bytes = await readFile(shard);
    await truncate(shard, 100);
    await rm(work.path('whole', 'val-000002.tar'));
    await succeeded(pack('whole'));
    assert.deepEqual(await readFile(shard), bytes);
  });

  it('names a damaged image, or leaves it out and reports it', async () => {
    const broken = (await jpeg(80, 60)).subarray(0, 500);
    await writeFiles(work.path('damaged'), {
      'train/cat/0.jpg': await jpeg(40, 40),
      'train/cat/1.jpg': broken,
      'train/dog/0.jpg': await jpeg(40, 41),
    });
    const [data, out] = [work.path('damaged'), work.path('damaged-out')];
    await failed(work.vgg`pack ${data} ${out}`, 1, /cat\/1\.jpg is damaged/);
    const skip = work.vgg`pack ${data} ${work.path('skipped')} --skip-bad --json`;
    const { stdout, stderr } = await succeeded(skip);
    assert.match(stderr, /left out: .*cat\/1\.jpg/);
    const [{ images, bad }] = JSON.parse(stdout).splits;
    assert.deepEqual([images, bad], [2, 1]);
  });

  it('refuses a folder that holds another packing', async () => {
    const other = pack('whole', '--scale', '30');
    await failed(other, 1, /whole has shards of other images or options/);
    await writeFile(work.path('whole', 'pack.json'), '{');
    await failed(pack('whole'), 1, /pack\.json is damaged/);
  });
});
