import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { boxFrom } from '../../../../src/core/boxes.ts';
import { openBoxes } from '../../../../src/data/boxes/open-boxes.ts';
import { rescaledSize } from '../../../../src/data/pixels/resample.ts';
import { Augmentation, type AugmentationOptions } from '../../../../src/data/training/augment.ts';
import { TrainingImages } from '../../../../src/data/training/loader.ts';
import { jpeg, temporaryFolder, writeFiles } from '../../../support/images.ts';

describe('targets of training images', () => {
  for (const scale of [
    { min: 40, max: 40 },
    { min: 36, max: 60 },
  ]) {
    it(`move with crop, scale and flip at S ${scale.min} to ${scale.max}, in every epoch`, async (t) => {
      const folder = await temporaryFolder(t);
      for (const name of ['a', 'b'])
        await writeFiles(folder, { [`photos/${name}/1.jpg`]: await jpeg(90, 60) });
      await writeFiles(folder, { 'boxes.csv': 'image,xmin,ymin,xmax,ymax\n1.jpg,30,15,59,29\n' });
      const source = await openBoxes(`${folder}/photos`, { boxes: `${folder}/boxes.csv` });
      const options: AugmentationOptions = { seed: 3, crop: 32, scale, randomCrop: true, flip: true };
      const images = new TrainingImages(source, { ...options, mean: [0, 0, 0] });
      const augmentation = new Augmentation(options);
      const epochs = [0, 1, 2, 3, 4, 5];
      const plan = epochs.map((epoch) => ({
        images: Uint32Array.of(0, 1),
        epochs: Uint32Array.of(epoch, epoch),
      }));
      let batch = 0;
      for await (const { targets } of images.loadBatches(plan)) {
        for (const image of [0, 1]) {
          const side = augmentation.scale(batch, image);
          const { width, height } = rescaledSize(90, 60, side);
          const crop = augmentation.crop(batch, image, width, height);
          const found = boxFrom(targets!.subarray(4 * image, 4 * image + 4), crop);
          const expected = { left: width / 3, right: (2 * width) / 3, top: height / 4, bottom: height / 2 };
          for (const edge of ['left', 'top', 'right', 'bottom'] as const) {
            // float32, and sizes are rounded to whole pixels.
            assert.ok(
              Math.abs(found[edge] - expected[edge]) < 0.51,
              `${edge}: ${found[edge]}, not ${expected[edge]}`,
            );
          }
        }
        batch++;
      }
      assert.equal(batch, epochs.length);
    });
  }
});
