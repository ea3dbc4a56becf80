import assert from 'node:assert/strict';
import { stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PosteriorFile, type PosteriorHeader } from '../../../../src/evaluate/results/posterior-file.ts';
import { TemporaryFolder } from '../../../support/temporary-folder.ts';

const HEADER: PosteriorHeader = {
  images: 5,
  classes: ['cat', 'dog', 'owl'],
  parts: [
    { protocol: 'dense', scale: 36 },
    { protocol: 'crops', scale: 36 },
  ],
  model: 'abc',
  data: 'def',
  flip: true,
  colorProfiles: 'ignore',
};
const imagesIn = (file: PosteriorFile) => [0, 1, 2, 3, 4].filter((image) => file.has(image));
const valuesOf = (image: number) => Float32Array.from({ length: 6 }, (_, i) => image + i / 8);

describe('a file of posteriors', () => {
  const { folder } = new TemporaryFolder();
  const path = (name: string) => join(folder, name);

  async function fill(name: string, images: readonly number[], header = HEADER): Promise<void> {
    const file = await PosteriorFile.openToWrite(path(name), header);
    for (const image of images) await file.write(image, { label: image - 1, values: valuesOf(image) });
    await file.close();
  }

  it('returns what was written, in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2, 3, 4]), async (images) => {
        const name = `order-${images.join('')}`;
        await fill(name, images);
        const file = (await PosteriorFile.openToRead(path(name)))!;
        try {
          assert.deepEqual(file.header, HEADER);
          assert.equal(file.complete, images.length === 5);
          for (let image = 0; image < 5; image++) {
            assert.equal(file.has(image), images.includes(image));
            if (!file.has(image)) continue;
            assert.deepEqual(await file.read(image), { label: image - 1, values: valuesOf(image) });
          }
        } finally {
          await file.close();
        }
      }),
      { numRuns: 20 },
    );
  });

  it('continues a file with the same header, and overwrites another', async () => {
    await fill('again', [0, 3]);
    await fill('again', [1]);
    let file = (await PosteriorFile.openToRead(path('again')))!;
    assert.deepEqual(imagesIn(file), [0, 1, 3]);
    await file.close();
    await fill('again', [2], { ...HEADER, model: 'other' });
    file = (await PosteriorFile.openToRead(path('again')))!;
    assert.deepEqual(imagesIn(file), [2]);
    await assert.rejects(file.read(0), /no posteriors of image 0/);
    await file.close();
  });

  it('ignores a truncated record at the end', async () => {
    await fill('torn', [0, 1, 2, 3, 4]);
    await truncate(path('torn'), (await stat(path('torn'))).size - 1);
    const file = (await PosteriorFile.openToRead(path('torn')))!;
    assert.equal(file.complete, false);
    assert.deepEqual(imagesIn(file), [0, 1, 2, 3]);
    await file.close();
  });

  it('refuses another file, and reports a missing one', async () => {
    assert.equal(await PosteriorFile.openToRead(path('nothing')), undefined);
    for (const [name, bytes] of [
      ['short', Buffer.from('{}')],
      ['noise', Buffer.alloc(8192, '\n')],
    ] as const) {
      await writeFile(path(name), bytes);
      const message = new RegExp(`${name} is not a file of posteriors; delete it`);
      await assert.rejects(PosteriorFile.openToRead(path(name)), message);
    }
    assert.equal((await stat(path('noise'))).size, 8192, 'a refused file is not changed');
  });
});
