import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keepImages, type LabeledImage } from '../../src/web/memory-images.ts';
import { pattern } from '../support/images.ts';

describe('images that a page takes', () => {
  it('leave it time for other things, however many they are', async () => {
    const image = pattern(1200, 1000);
    const images = Array.from({ length: 40 }, (): LabeledImage => ({ image, label: 'one' }));
    let turns = 0;
    let isRunning = true;
    const turn = () => {
      turns++;
      if (isRunning) setImmediate(turn);
    };
    setImmediate(turn);
    const { images: kept } = await keepImages(images, { min: 36, max: 36 });
    isRunning = false;
    assert.equal(kept.length, 40);
    // It is a second of work: without breaks the event loop would not turn once.
    assert.ok(turns > 0, String(turns));
  });
});
