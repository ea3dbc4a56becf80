import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keepImages, type LabeledImage } from '../../src/browser/memory-images.ts';
import { pattern } from '../support/images.ts';

describe('reading images in a page', () => {
  it('leaves the event loop time for other work, however many images there are', async () => {
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
    // A second of work, in which the event loop would not turn once without breaks.
    assert.ok(turns > 0, String(turns));
  });
});
