import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ImageSource } from '../../../../src/data/sources/image-source.ts';
import { listLocation } from '../../../../src/data/sources/lists/list-location.ts';
import { openImages } from '../../../../src/data/sources/open-images.ts';
import { MissingSplitError } from '../../../../src/data/sources/splits.ts';
import { temporaryFolder } from '../../../support/images.ts';
import { range } from '../../../support/lists.ts';
import { refused } from '../../../support/refused.ts';

const FIXTURES = join(import.meta.dirname, '../../../../../test/fixtures/parquet');
const hub = join(FIXTURES, 'hub');

type Answer = readonly [label: number, sha256: string];
const answers: Readonly<Record<string, readonly Answer[]>> = JSON.parse(
  await readFile(join(FIXTURES, 'answers.json'), 'utf8'),
);

/** Label and SHA-256 of images, in the order of `rows`. */
function read(source: ImageSource, rows: readonly number[]): Promise<Answer[]> {
  return Promise.all(
    rows.map(async (row) => {
      const stored = await source.read(row);
      assert.ok(stored.kind === 'encoded');
      return [source.label(row), createHash('sha256').update(stored.bytes).digest('hex')] as const;
    }),
  );
}

describe('Parquet files', () => {
  for (const codec of ['none', 'snappy', 'zstd-v2', 'gzip-small-pages', 'brotli-index', 'lz4']) {
    it(`are read at any row: ${codec}`, async () => {
      const source = await openImages(join(FIXTURES, `codecs/${codec}.parquet`));
      assert.deepEqual([source.classes, source.split], [['cat', 'dog', 'owl'], undefined]);
      const order = range(15).map((i) => (i * 7) % 15);
      assert.deepEqual(
        await read(source, order),
        order.map((row) => answers.train![row]),
      );
    });
  }

  it('are found in a folder as Hugging Face arranges them, with their splits', async (t) => {
    for (const folder of [hub, join(hub, 'data')]) {
      for (const split of ['train', 'val'] as const) {
        const source = await openImages(folder, { split, exact: true });
        assert.deepEqual(await read(source, range(source.length)), answers[split]);
      }
      await refused(openImages(folder, { split: 'test' }), 'test-00000-of-00001.parquet row 0 has no label');
      const test = await openImages(folder, { split: 'test', labels: 'optional' });
      assert.deepEqual(await read(test, [0, 1]), answers.test);
    }
    const copy = join(await temporaryFolder(t), 'copy');
    await cp(join(hub, 'data'), copy, { recursive: true });
    await rm(join(copy, 'validation-00000-of-00001.parquet'));
    await assert.rejects(openImages(copy, { split: 'val' }), MissingSplitError, 'test has no labels');
    await rm(join(copy, 'train-00001-of-00002.parquet'));
    await refused(openImages(copy), 'train-00000-of-00002.parquet is one of 2 files, but 1 are there');
  });

  it('may come without a description of the columns', async () => {
    const path = join(FIXTURES, 'plain.parquet');
    await refused(openImages(path), 'row 13 has no label, like 1 of 15 rows; remove them');
    const source = await openImages(path, { labels: 'optional' });
    assert.deepEqual(source.classes, ['cat', 'dog', 'owl']);
    assert.equal(source.label(13), -1);
    assert.deepEqual(await read(source, range(13)), answers.train!.slice(0, 13));
    await refused(source.read(14), 'plain.parquet row 14 has no image');
    const widths = await openImages(listLocation(path, { columns: 'picture,width' }), { labels: 'optional' });
    assert.deepEqual(widths.classes, ['8']);
    await refused(
      openImages(listLocation(path, { columns: 'picture,size' })),
      'its columns are picture, class, width',
    );
    await refused(openImages(listLocation(path, { root: '/tmp' })), 'leave out --root');
  });

  it('may have labels of any type, but one for each image', async () => {
    const classes = async (column: string) => {
      const location = listLocation(join(FIXTURES, 'odd-labels.parquet'), { columns: `picture,${column}` });
      return (await openImages(location)).classes;
    };
    assert.deepEqual(await classes('one'), ['0', '1']);
    assert.deepEqual(await classes('bytes_of_names'), ['cat', 'dog']);
    await refused(classes('measured'), 'row 2 has no label');
    await refused(classes('several'), 'row 1 has several labels');
    const numbers = await openImages(join(FIXTURES, 'two-columns.parquet'));
    assert.deepEqual(numbers.classes, ['0', '1', '2'], 'the only other column has the labels');
  });

  it('are divided by names that differ by the split', async (t) => {
    const folder = await temporaryFolder(t);
    for (const split of ['train', 'test']) {
      await cp(join(FIXTURES, 'two-columns.parquet'), join(folder, `photos-${split}.parquet`));
    }
    const source = await openImages(folder);
    assert.deepEqual([source.split, source.length], ['train', 12]);
  });

  it('have a fingerprint of their contents, not of their times', async (t) => {
    const copy = join(await temporaryFolder(t), 'snappy.parquet');
    const bytes = await readFile(join(FIXTURES, 'codecs/snappy.parquet'));
    await writeFile(copy, bytes);
    const print = async (path: string) => (await openImages(path)).fingerprint();
    assert.equal(await print(copy), await print(join(FIXTURES, 'codecs/snappy.parquet')));
    assert.notEqual(await print(copy), await print(join(FIXTURES, 'codecs/zstd-v2.parquet')));
  });

  it('are refused when they are damaged', async (t) => {
    const path = join(await temporaryFolder(t), 'x.parquet');
    const bytes = await readFile(join(FIXTURES, 'codecs/none.parquet'));
    for (const content of [bytes.subarray(0, 4), bytes.subarray(0, -100), Buffer.from('hello')]) {
      await writeFile(path, content);
      await refused(openImages(path), 'x.parquet is not a complete Parquet file', 'download it again');
    }
    await writeFile(path, '');
    await refused(openImages(path), 'x.parquet is empty; download it again');
    // Damage at any place is an error that names the file, or one image that differs.
    for (let at = 4; at < bytes.length - 8; at += 97) {
      const damaged = Buffer.from(bytes);
      damaged.fill(0xff, at, at + 8);
      await writeFile(path, damaged);
      try {
        const source = await openImages(path);
        await read(source, range(source.length));
      } catch (error) {
        assert.match((error as Error).message, /x\.parquet/);
      }
    }
  });
});
