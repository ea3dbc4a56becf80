/** `vgg transfer`: linear classifiers on features, their files, several labels, and data that is broken. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { jpeg, writeFiles } from '../support/images.ts';
import { jsonOf, words } from './cli-process.ts';
import { CLASSES, QUICK, Workplace } from './training-runs.ts';

describe('vgg transfer', () => {
  const work = new Workplace();
  const model = work.path('first/best.safetensors');
  const photos = work.path('photos');

  before(async () => {
    const { code, stderr } =
      await work.vgg`train ${photos} --out ${work.path('first')} ${QUICK} --iterations 6`;
    assert.equal(code, 0, stderr);
  });

  const transfer = (...command: string[]) => work.vgg(...words`transfer`, ...command);

  for (const classifier of ['svm', 'logistic']) {
    it(`writes a model by ${classifier} that evaluate reads`, async () => {
      const out = work.path(`${classifier}.safetensors`);
      const flags = words`${photos} --model ${model} --classifier ${classifier} --scales 36 --out ${out} --json`;
      const result = await jsonOf(transfer(...flags));
      const [{ accuracy, trainingImages, testImages }] = result.splits;
      assert.deepEqual([trainingImages, testImages], [24, 12]);
      assert.ok(accuracy.interval[0] <= accuracy.value && accuracy.value <= accuracy.interval[1]);
      const { top1Error } = await jsonOf(work.vgg`evaluate ${photos} --model ${out} --scales 36 --json`);
      assert.equal(result.model.path, out);
      // Evaluation averages posteriors over the mirror image, transfer activations, so the two errors differ.
      assert.ok(top1Error < 2 / 3, `${top1Error} is no lower than chance`);
    });
  }

  it('draws random splits', async () => {
    const { splits, recall } = await jsonOf(
      transfer(
        ...words`${photos} --model ${model} --train-per-class 5 --test-per-class 2 --splits 3 --scales 36 --json`,
      ),
    );
    assert.deepEqual(
      splits.map(({ trainingImages, testImages }: Record<string, number>) => [trainingImages, testImages]),
      [
        [15, 6],
        [15, 6],
        [15, 6],
      ],
    );
    assert.ok(recall.mean >= 0 && recall.deviation >= 0);
  });

  it('takes several labels of a list, and gives the mean average precision', async () => {
    const rows = CLASSES.flatMap((name, label) =>
      Array.from({ length: 8 }, (_, i) => {
        const labels = i % 4 === 0 ? `${name}; ${CLASSES[(label + 1) % 3]}` : name;
        return `photos/train/${name}/${i}.${i % 2 === 0 ? 'jpg' : 'png'},${labels}`;
      }),
    );
    const list = work.path('labels.csv');
    await writeFile(list, `image,label\n${rows.join('\n')}\n`);
    const flags = words`${list} --model ${model} --scales 36 --json`;
    const { classes, splits } = await jsonOf(transfer(...flags, '--label-separator', ';'));
    assert.deepEqual(classes, [...CLASSES]);
    assert.ok(splits[0].allPoint.value > 0 && splits[0].elevenPoint.value > 0);
    assert.equal(splits[0].accuracy, undefined);
    const { code, stderr } = await transfer(...flags, '--label-separator', '|');
    assert.notEqual(code, 0);
    assert.match(stderr, /contains the separator "\|"/);
  });

  it('leaves out unreadable images only with --skip-bad', async () => {
    const folder = work.path('damaged');
    for (const name of CLASSES) {
      for (let i = 0; i < 6; i++) await writeFiles(folder, { [`${name}/${i}.jpg`]: await jpeg(40, 40, i) });
    }
    await writeFiles(folder, { 'cat/0.jpg': (await readFile(`${folder}/cat/0.jpg`)).subarray(0, 100) });
    const flags = words`${folder} --model ${model} --scales 36 --json`;
    const { code, stderr } = await transfer(...flags);
    assert.notEqual(code, 0);
    assert.match(stderr, /cat\/0\.jpg/);
    const { bad, splits } = await jsonOf(transfer(...flags, '--skip-bad'));
    assert.equal(bad.length, 1);
    assert.equal(splits[0].trainingImages + splits[0].testImages, 17);
  });

  describe("refuses VOC's folder", () => {
    const faults: Record<string, [file: string, content: string, message: RegExp]> = {
      'with a line that is none': ['ImageSets/Main/cat_train.txt', '0001 yes\n', /cat_train\.txt: line 1 is/],
      'with lists of different images': [
        'ImageSets/Main/cat_train.txt',
        '0001 1\n',
        /cat_train\.txt 1; unpack the data again/,
      ],
      'without a class in the test lists': [
        'ImageSets/Main/owl_val.txt',
        '0003 1\n0004 -1\n',
        /different classes/,
      ],
      'without an image': ['ImageSets/Main/cat_train.txt', '0001 1\n0009 -1\n', /0009/],
    };
    for (const [title, [file, content, message]] of Object.entries(faults)) {
      it(title, async () => {
        const folder = work.path(title.replaceAll(' ', '-'));
        for (const id of ['0001', '0002', '0003', '0004']) {
          await writeFiles(folder, { [`JPEGImages/${id}.jpg`]: await jpeg(40, 40) });
        }
        await writeFiles(folder, {
          'ImageSets/Main/cat_train.txt': '0001  1\n0002 -1\n',
          'ImageSets/Main/dog_train.txt': '0001 -1\n0002  1\n',
          'ImageSets/Main/cat_val.txt': '0003  1\n0004 -1\n',
          'ImageSets/Main/dog_val.txt': '0003 -1\n0004  1\n',
          [file]: content,
        });
        const { code, stderr } = await transfer(...words`${folder} --model ${model} --scales 36`);
        assert.notEqual(code, 0);
        assert.match(stderr, message);
        assert.doesNotMatch(stderr, /\n\s+at /);
      });
    }
  });
});
