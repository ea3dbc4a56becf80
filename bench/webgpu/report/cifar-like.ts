/** Writes a data set of CIFAR-10's format and size: noise around a color for each class. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const RECORD = 1 + 3 * 32 * 32;

/** @param images in each of the five files of training images and in that of test images */
export function writeCifarLike(folder: string, images: number): string {
  const data = join(folder, 'cifar-10-batches-bin');
  mkdirSync(data, { recursive: true });
  const names = Array.from({ length: 10 }, (_, label) => `class${label}`);
  writeFileSync(join(data, 'batches.meta.txt'), `${names.join('\n')}\n`);
  let state = 1;
  const files = [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`);
  for (const file of [...files, 'test_batch.bin']) {
    const bytes = Buffer.alloc(images * RECORD);
    for (let at = 0; at < bytes.length; at++) {
      // Knuth's linear congruential generator: noise is noise here.
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const image = Math.floor(at / RECORD);
      const label = image % 10;
      const place = at % RECORD;
      const plane = Math.floor((place - 1) / 1024);
      bytes[at] = place === 0 ? label : ((label * (37 + 20 * plane)) % 160) + (state >>> 26);
    }
    writeFileSync(join(data, file), bytes);
  }
  return data;
}
