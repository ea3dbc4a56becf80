import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import type { ImageSource } from '../../../../src/data/sources/image-source.ts';
import { writeLocalizations } from '../../../../src/evaluate/localize/localization-files.ts';
import { temporaryFolder } from '../../../support/images.ts';

it("writes a submission in ILSVRC's form: a class number and the first and last pixels, five times", async (t) => {
  const folder = await temporaryFolder(t);
  const submission = `${folder}/boxes.txt`;
  const box = (left: number) => ({ left, top: 2.4, right: left + 10.2, bottom: 2.6 });
  const top = [3, 0, 1].map((index) => ({ index, probability: 0.3, box: box(index) }));
  const images = [{ image: 0, label: 1, top }];
  await writeLocalizations({ submission }, {} as ImageSource, images, [], [11, 12, 13, 14]);
  // A box is at least one pixel.
  assert.equal(await readFile(submission, 'utf8'), '14 3 2 12 2 11 0 2 9 2 12 1 2 10 2\n');
});
