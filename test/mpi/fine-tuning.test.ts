/** N ranks fine-tune with frozen layers, and learn boxes, as one process does. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { readSafetensors } from '../../src/weights/formats/safetensors/reader.ts';
import { succeeded, words } from '../e2e/cli-process.ts';
import { CLASSES, Workplace } from '../e2e/training-runs.ts';
import { vggRanks, withoutMpi } from './ranks.ts';
import { assertSameTraining, EXACT } from './same-training.ts';

describe('fine-tuning over ranks', { skip: withoutMpi }, () => {
  const work = new Workplace();
  const [photos, start, boxes] = ['photos', 'start', 'boxes.csv'].map((name) => work.path(name)) as [
    string,
    string,
    string,
  ];
  const from = `${start}/last.safetensors`;

  before(async () => {
    await succeeded(work.vgg`train ${photos} --out ${start} ${EXACT} --iterations 2`);
    const rows = CLASSES.flatMap((name, label) =>
      Array.from({ length: 12 }, (_, i) => {
        const image = `${i < 8 ? 'train' : 'val'}/${name}/${i}.${i % 2 === 0 ? 'jpg' : 'png'}`;
        return `${image},${label},${i},${20 + label},${15 + i}`;
      }),
    );
    await writeFile(boxes, `image,xmin,ymin,xmax,ymax\n${rows.join('\n')}\n`);
  });

  it('keeps frozen layers bit for bit, and trains the others as one process does', async () => {
    const flags = words`${photos} ${EXACT} --from ${from} --freeze features`;
    const [alone, shared] = [work.path('frozen-alone'), work.path('frozen')];
    await succeeded(work.vgg(...words`train --out ${alone} ${flags}`));
    await succeeded(vggRanks(2, words`train --out ${shared} ${flags}`, work.environment));
    await assertSameTraining(alone, shared);
    const [before, after] = [
      await readSafetensors(from),
      await readSafetensors(`${shared}/last.safetensors`),
    ];
    for (const [name, { data }] of before.tensors) {
      if (!name.startsWith('conv')) continue;
      assert.deepEqual(after.tensors.get(name)?.data, data, name);
    }
  });

  it('learns boxes as one process does', async () => {
    const flags = words`${photos} ${EXACT} --from ${from} --task localize --boxes ${boxes}`;
    const [alone, shared] = [work.path('boxes-alone'), work.path('boxes')];
    await succeeded(work.vgg(...words`train --out ${alone} ${flags}`));
    await succeeded(vggRanks(2, words`train --out ${shared} ${flags}`, work.environment));
    await assertSameTraining(alone, shared);
  });
});
