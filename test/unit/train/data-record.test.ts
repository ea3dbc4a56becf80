import assert from 'node:assert/strict';
import { cp, rename, rm, utimes } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { openImages } from '../../../src/data/sources/open-images.ts';
import { findRecorded, recordImages } from '../../../src/train/data-record.ts';
import { jpeg, writeFiles } from '../../support/images.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';

describe('the images that a run was started with', () => {
  const work = new TemporaryFolder();
  const [photos, copy] = [work.path('photos'), work.path('copy')];
  before(async () => {
    for (const name of ['cat/1', 'cat/2', 'dog/1', 'dog/2']) {
      await writeFiles(photos, {
        [`${name}.jpg`]: await jpeg(8, 8, name.charCodeAt(0) + Number(name.at(-1))),
      });
    }
  });

  async function findAfter(change: () => Promise<unknown>, skipBad = false) {
    const recorded = await recordImages(await openImages(photos));
    await rm(copy, { recursive: true, force: true });
    await cp(photos, copy, { recursive: true });
    await change();
    return findRecorded(await openImages(copy), recorded, { skipBad, contents: true });
  }

  it('are found elsewhere, whatever their times, with the same fingerprint', async () => {
    const found = await findAfter(() => utimes(`${copy}/cat/1.jpg`, 1, 1));
    assert.equal(await found.fingerprint(), await (await openImages(photos)).fingerprint());
    assert.equal(found.imageName(2), `${copy}/dog/1.jpg`);
  });

  const added = () => writeFiles(copy, { 'cat/0.jpg': 'text' });
  const removed = () => rm(`${copy}/dog/1.jpg`);
  const differences: [what: string, change: () => Promise<unknown>, message: RegExp][] = [
    ['a new image', added, /an image is new \(cat\/0\.jpg\)/],
    [
      'a missing image',
      removed,
      /an image is missing \(dog\/1\.jpg; --skip-bad continues without\); restore the data set/,
    ],
    [
      'a renamed image',
      () => rename(`${copy}/cat/1.jpg`, `${copy}/cat/1.JPG`),
      /an image is missing \(cat\/1\.jpg; .*\), an image is new \(cat\/1\.JPG\)/,
    ],
    ['a new class', () => writeFiles(copy, { 'ape/1.jpg': 'text' }), /it has a new class "ape"/],
    [
      'a renamed class',
      () => rename(`${copy}/cat`, `${copy}/owl`),
      /no class "cat", it has a new class "owl"/,
    ],
    [
      'other contents',
      async () => writeFiles(copy, { 'dog/2.jpg': await jpeg(8, 8, 99) }),
      /copy are not those .*: dog\/2\.jpg has other contents \(1 of 4 compared\)/,
    ],
  ];
  for (const [what, change, message] of differences) {
    it(`are refused because of ${what}`, () => refused(findAfter(change), message));
  }

  it('may be missing if bad images are skipped, and keep their numbers', async () => {
    const found = await findAfter(removed, true);
    assert.deepEqual([found.length, found.label(2), found.label(3)], [4, 1, 1]);
    assert.equal(found.imageName(3), `${copy}/dog/2.jpg`);
    await found.read(3);
    await refused(found.read(2), /copy\/dog\/1\.jpg is missing/);
  });
});
