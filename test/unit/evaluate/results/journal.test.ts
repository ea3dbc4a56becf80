import assert from 'node:assert/strict';
import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type ImageResult, imageResultOf } from '../../../../src/evaluate/results/image-results.ts';
import { type EvaluationInputs, Journal, readJournal } from '../../../../src/evaluate/results/journal.ts';
import { temporaryFolder } from '../../../support/images.ts';

const INPUTS: EvaluationInputs = {
  models: ['ab'],
  data: 'cd',
  protocol: 'dense',
  flip: true,
  colorProfiles: 'ignore',
  scales: [[256]],
};

const outcome = (image: number): ImageResult =>
  imageResultOf(image, image % 3, Float32Array.of(0.1 + image / 100, 0.7 - image / 100, 0.2));

async function journalOf(t: TestContext, ...images: number[]): Promise<string> {
  const path = join(await temporaryFolder(t), 'journal');
  const journal = await Journal.create(path, INPUTS);
  await Promise.all(images.map((image) => journal.add(outcome(image))));
  await journal.close();
  return path;
}

const read = async (path: string, images = 10) => (await readJournal(path, INPUTS, images))?.results;

describe("an evaluation's journal", () => {
  it('stores every figure exactly', async (t) => {
    const path = await journalOf(t, 4, 0, 7);
    assert.deepEqual(await read(path), [outcome(4), outcome(0), outcome(7)]);
  });

  it('resumes after an incomplete line', async (t) => {
    const path = await journalOf(t, 1, 2, 3);
    const { length } = await readFile(path);
    for (const lost of [1, 5, 40]) {
      await truncate(path, length - lost);
      assert.deepEqual(await read(path), [outcome(1), outcome(2)]);
    }
    const journal = await Journal.resume(path, (await readJournal(path, INPUTS, 10))!);
    await journal.add(outcome(5));
    await journal.close();
    assert.deepEqual(await read(path), [outcome(1), outcome(2), outcome(5)]);
  });

  it('is read up to the first invalid line', async (t) => {
    for (const nonsense of ['\0\0\0\n', '{"image":1}\n', `${JSON.stringify(outcome(99))}\n`]) {
      const path = await journalOf(t, 1);
      await appendFile(path, nonsense + JSON.stringify(outcome(2)));
      assert.deepEqual(await read(path), [outcome(1)]);
    }
  });

  it('does not exist without a complete first line', async (t) => {
    const path = await journalOf(t, 1);
    await truncate(path, 20);
    assert.equal(await read(path), undefined);
    assert.equal(await read(`${path}.none`), undefined);
  });

  it('of another evaluation is refused with the difference', async (t) => {
    const path = await journalOf(t, 1);
    const others: [Partial<EvaluationInputs>, RegExp][] = [
      [{ models: ['xy'] }, /belongs to an evaluation with other models; repeat its arguments/],
      [{ data: 'x' }, /other images/],
      [{ protocol: 'crops' }, /another protocol/],
      [{ flip: false }, /mirror-image setting/],
      [{ scales: [[256, 384]] }, /other scales/],
    ];
    for (const [other, message] of others) {
      await assert.rejects(readJournal(path, { ...INPUTS, ...other }, 10), message);
    }
    await writeFile(path, '{"a":1}\n');
    await assert.rejects(read(path), /is not an evaluation journal of this version/);
  });

  it('is deleted when the evaluation is done', async (t) => {
    const path = await journalOf(t, 1);
    const journal = await Journal.create(path, INPUTS);
    await journal.add(outcome(1));
    await journal.finish();
    assert.equal(await read(path), undefined);
  });

  it('overwrites journals, also damaged ones, but no other file', async (t) => {
    const path = await journalOf(t, 1);
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 50));
    await (await Journal.create(path, INPUTS)).close();
    await writeFile(path, 'my notes');
    await assert.rejects(Journal.create(path, INPUTS), /is not an evaluation journal; choose another file/);
    assert.equal(await readFile(path, 'utf8'), 'my notes');
  });

  it('reports that it cannot be written', async (t) => {
    const path = join(await temporaryFolder(t), 'none', 'journal');
    const message = /the evaluation journal .*none\/journal could not be written: .*--journal/;
    await assert.rejects(Journal.create(path, INPUTS), message);
  });
});
