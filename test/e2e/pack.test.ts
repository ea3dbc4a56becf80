import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import type { StoredImage } from '../../src/data/sources/image-source.ts';
import { openImages } from '../../src/data/sources/open-images.ts';
import { jpeg, writeFiles } from '../support/images.ts';
import { CLASSES, QUICK, Workplace, words } from './training-runs.ts';

const bytesOf = (stored: StoredImage) => (stored.kind === 'encoded' ? Buffer.from(stored.bytes) : undefined);

describe('vgg pack', () => {
  const work = new Workplace();
  const pack = (out: string, ...more: string[]) =>
    work.ok`pack ${work.path('photos')} ${work.path(out)} --images-per-shard 5 ${more}`;

  it('keeps order, labels and the bytes of images that are small enough', async () => {
    const { stdout } = await pack('whole', '--json');
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

  it('shrinks larger images to the given smaller side', async () => {
    const { stdout } = await pack('small', '--scale', '33', '--json');
    assert.equal(JSON.parse(stdout).splits[0].rescaled, 24);
    const source = await openImages(work.path('small'), { split: 'train' });
    const { format, width, height } = await sharp(bytesOf(await source.read(0))).metadata();
    assert.equal(format, 'jpeg');
    assert.equal(Math.min(width, height), 33);
  });

  it('trains from shards to the same weights as from the folder', async () => {
    const train = async (data: string, out: string) => {
      await work.ok`train ${work.path(data)} ${QUICK} --iterations 3 --out ${work.path(out)}`;
      return readFile(work.path(out, 'metrics.jsonl'), 'utf8');
    };
    const losses = (lines: string) => lines.match(/"loss":[^,]+/g);
    assert.deepEqual(
      losses(await train('whole', 'from-shards')),
      losses(await train('photos', 'from-folder')),
    );
  });

  it('continues after an interruption, makes nothing twice, and repairs what is missing', async () => {
    const args = words`pack ${work.path('photos')} ${work.path('killed')} --images-per-shard 1`;
    const child = work.start(...args);
    const ended = once(child, 'exit');
    while ((await readdir(work.path('killed')).catch(() => [])).length < 4) await new Promise(setImmediate);
    child.kill('SIGKILL');
    await ended;
    const first = await stat(work.path('killed', 'train-000000.tar'));
    const { stdout } = await work.ok`${args} --json`;
    assert.equal(JSON.parse(stdout).splits[0].images, 24);
    assert.equal((await stat(work.path('killed', 'train-000000.tar'))).mtimeMs, first.mtimeMs);
    const shard = work.path('whole', 'val-000001.tar');
    const bytes = await readFile(shard);
    await truncate(shard, 100);
    await rm(work.path('whole', 'val-000002.tar'));
    await pack('whole');
    assert.deepEqual(await readFile(shard), bytes);
  });

  it('names a damaged image, or leaves it out and reports it', async () => {
    const broken = (await jpeg(80, 60)).subarray(0, 500);
    await writeFiles(work.path('damaged'), {
      'train/cat/0.jpg': await jpeg(40, 40),
      'train/cat/1.jpg': broken,
      'train/dog/0.jpg': await jpeg(40, 41),
    });
    const data = work.path('damaged');
    await work.fails(1, /cat\/1\.jpg is damaged/)`pack ${data} ${work.path('damaged-out')}`;
    const { stdout, stderr } = await work.ok`pack ${data} ${work.path('skipped')} --skip-bad --json`;
    assert.match(stderr, /left out: .*cat\/1\.jpg/);
    const [{ images, bad }] = JSON.parse(stdout).splits;
    assert.deepEqual([images, bad], [2, 1]);
  });

  it('refuses a folder that holds another packing', async () => {
    const args = words`pack ${work.path('photos')} ${work.path('whole')} --images-per-shard 5`;
    await work.fails(1, /whole has shards of other images or options/)`${args} --scale 30`;
    await writeFile(work.path('whole', 'pack.json'), '{');
    await work.fails(1, /pack\.json is damaged/)`${args}`;
  });
});
