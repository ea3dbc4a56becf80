import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import { openImages } from '../../src/data/sources/open-images.ts';
import type { StoredImage } from '../../src/data/sources/source.ts';
import { jpeg, writeFiles } from '../support/images.ts';
import { CLASSES, QUICK, Workplace } from './training-runs.ts';

const bytesOf = (stored: StoredImage) => (stored.kind === 'encoded' ? Buffer.from(stored.bytes) : undefined);

describe('vgg pack', () => {
  const work = new Workplace();
  const pack = (out: string, ...more: string[]) =>
    work.vgg('pack', work.path('photos'), work.path(out), '--images-per-shard', '5', ...more);

  it('keeps order, labels and the bytes of images that are small enough', async () => {
    const { code, stdout, stderr } = await pack('whole', '--json');
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      JSON.parse(stdout).splits.map(({ split, shards, images, rescaled }: Record<string, unknown>) => [
        split,
        shards,
        images,
        rescaled,
      ]),
      [
        ['train', 5, 24, 0],
        ['val', 3, 12, 0],
      ],
    );
    for (const split of ['train', 'val'] as const) {
      const [from, to] = [
        await openImages(work.path('photos'), { split }),
        await openImages(work.path('whole'), { split }),
      ];
      assert.deepEqual(to.classes, [...CLASSES]);
      assert.deepEqual([to.length, to.split], [from.length, split]);
      for (let i = 0; i < from.length; i++) {
        assert.equal(to.label(i), from.label(i));
        assert.deepEqual(bytesOf(await to.read(i)), bytesOf(await from.read(i)));
      }
    }
  });

  it('rescales what is larger, to the smaller side that was asked for', async () => {
    const { code, stdout, stderr } = await pack('small', '--scale', '33', '--json');
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).splits[0].rescaled, 24);
    const source = await openImages(work.path('small'), { split: 'train' });
    const { format, width, height } = await sharp(bytesOf(await source.read(0))).metadata();
    assert.equal(format, 'jpeg');
    assert.equal(Math.min(width, height), 33);
  });

  it('trains from shards to the same weights as from the folder', async () => {
    const train = async (data: string, out: string) => {
      const flags = [...QUICK, '--iterations', '3', '--out', work.path(out)];
      const { code, stderr } = await work.vgg('train', work.path(data), ...flags);
      assert.equal(code, 0, stderr);
      return readFile(work.path(out, 'metrics.jsonl'), 'utf8');
    };
    const losses = (lines: string) => lines.match(/"loss":[^,]+/g);
    assert.deepEqual(
      losses(await train('whole', 'from-shards')),
      losses(await train('photos', 'from-folder')),
    );
  });

  it('goes on after an interruption, makes nothing twice, and mends what is missing', async () => {
    const child = work.start('pack', work.path('photos'), work.path('killed'), '--images-per-shard', '1');
    const ended = once(child, 'exit');
    while ((await readdir(work.path('killed')).catch(() => [])).length < 4) await new Promise(setImmediate);
    child.kill('SIGKILL');
    await ended;
    const first = await stat(work.path('killed', 'train-000000.tar'));
    const again = await work.vgg(
      'pack',
      work.path('photos'),
      work.path('killed'),
      '--images-per-shard',
      '1',
      '--json',
    );
    assert.equal(again.code, 0, again.stderr);
    assert.equal(JSON.parse(again.stdout).splits[0].images, 24);
    assert.equal((await stat(work.path('killed', 'train-000000.tar'))).mtimeMs, first.mtimeMs);
    const shard = work.path('whole', 'val-000001.tar');
    const bytes = await readFile(shard);
    await truncate(shard, 100);
    await rm(work.path('whole', 'val-000002.tar'));
    assert.equal((await pack('whole')).code, 0);
    assert.deepEqual(await readFile(shard), bytes);
  });

  it('names a damaged image, or leaves it out and says so', async () => {
    const broken = (await jpeg(80, 60)).subarray(0, 500);
    await writeFiles(work.path('damaged'), {
      'train/cat/0.jpg': await jpeg(40, 40),
      'train/cat/1.jpg': broken,
      'train/dog/0.jpg': await jpeg(40, 41),
    });
    const [data, out] = [work.path('damaged'), work.path('damaged-out')];
    const refused = await work.vgg('pack', data, out);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /cat\/1\.jpg is damaged/);
    const skipped = await work.vgg('pack', data, work.path('skipped'), '--skip-bad', '--json');
    assert.equal(skipped.code, 0, skipped.stderr);
    assert.match(skipped.stderr, /left out: .*cat\/1\.jpg/);
    assert.deepEqual(
      [JSON.parse(skipped.stdout).splits[0].images, JSON.parse(skipped.stdout).splits[0].bad],
      [2, 1],
    );
  });

  it('refuses a folder that holds another packing', async () => {
    const other = await pack('whole', '--scale', '30');
    assert.equal(other.code, 1);
    assert.match(other.stderr, /whole has shards of other images or options/);
    await writeFile(work.path('whole', 'pack.json'), '{');
    const damaged = await pack('whole');
    assert.equal(damaged.code, 1);
    assert.match(damaged.stderr, /pack\.json is damaged/);
  });
});
