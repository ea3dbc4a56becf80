import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { centerCrop, writeCrop } from '../../../../src/data/pixels/crop.ts';
import { loadForEvaluation } from '../../../../src/data/pixels/evaluation-images.ts';
import type { ImageSource, StoredImage } from '../../../../src/data/sources/image-source.ts';
import {
  type ImageBatch,
  TrainingImages,
  type TrainingImagesOptions,
} from '../../../../src/data/training/loader.ts';
import { Sampler } from '../../../../src/data/training/sampler.ts';
import { jpeg, pattern, sourceOf } from '../../../support/images.ts';
import { arrayOf, pluck, range } from '../../../support/lists.ts';
import { refused } from '../../../support/refused.ts';

const COUNT = 13;
const options: TrainingImagesOptions = {
  seed: 9,
  crop: 24,
  scale: { min: 30, max: 30 },
  randomCrop: true,
  flip: true,
  colorShift: {
    directions: [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ],
    deviations: [60, 40, 20],
  },
  mean: [120, 110, 100],
};
const jittered = { ...options, scale: { min: 26, max: 150 } };
const sampler = new Sampler({ count: COUNT, batch: 4, seed: 2, shuffle: true });

/** JPEGs of 120×100 and more, stored pixels of 40×40. */
async function mixedSource(delay: (index: number) => number = () => 0): Promise<ImageSource> {
  const files = await Promise.all(range(COUNT).map((i) => jpeg(120 + i, 100 + 3 * i, i)));
  return sourceOf(COUNT, async (index) => {
    await sleep(delay(index));
    return index % 3 === 0 ? stored(index) : { kind: 'encoded', bytes: files[index]! };
  });
}

function stored(index: number): StoredImage {
  return { kind: 'pixels', image: pattern(40, 40, index) };
}

/** Stored pixels, with what happens when each image is read. */
function storedSource(onRead: (index: number) => void | Promise<void>): ImageSource {
  return sourceOf(COUNT, async (index) => {
    await onRead(index);
    return stored(index);
  });
}

async function collect(
  source: ImageSource,
  change: Partial<TrainingImagesOptions> = {},
  [from, to] = [0, 8],
): Promise<ImageBatch[]> {
  const images = new TrainingImages(source, { ...options, ...change });
  return arrayOf(images.loadBatches(sampler.batches(from, to)));
}

describe('TrainingImages', () => {
  it('gives the same batches for every concurrency, memory limit and order of completion', async () => {
    const slow = await mixedSource((index) => (index * 7) % 5);
    for (const scale of [options.scale, jittered.scale]) {
      const expected = await collect(await mixedSource(), { scale, concurrency: 1, ahead: 0, memory: 0 });
      assert.equal(expected.length, 8);
      assert.deepEqual(await collect(slow, { scale, concurrency: 8, ahead: 3 }), expected);
      assert.deepEqual(await collect(slow, { scale, memory: 40_000 }), expected);
    }
  });

  it('gives the same batches when it starts in the middle', async () => {
    const source = await mixedSource();
    const all = await collect(source, jittered);
    assert.deepEqual(await collect(source, jittered, [5, 8]), all.slice(5));
  });

  it('gives plan, labels and shapes with the input', async () => {
    const batches = await collect(await mixedSource());
    batches.forEach((batch, i) => {
      assert.equal(batch.input.length, 4 * 3 * 24 * 24);
      assert.deepEqual({ images: batch.images, epochs: batch.epochs }, sampler.batch(i));
      const labels = Int32Array.from(batch.images, (image) => image % 2);
      assert.deepEqual(batch.labels, labels);
    });
  });

  it('rescales, crops, and subtracts the mean', async () => {
    const source = await mixedSource();
    const plain = { randomCrop: false, flip: false, colorShift: undefined };
    const [batch] = await collect(source, plain, [0, 1]);
    const expected = new Float32Array(batch!.input.length);
    for await (const { index, scaled } of loadForEvaluation(source, { scales: [30] })) {
      const place = batch!.images.indexOf(index);
      if (place < 0) continue;
      const image = scaled[0]!;
      const crop = centerCrop(image.width, image.height, 24);
      writeCrop(image, crop, options.mean, expected, place * 3 * 24 * 24);
    }
    assert.deepEqual(batch!.input, expected);
  });

  it('adds one shift to a whole image', async () => {
    const source = await mixedSource();
    const [shifted] = await collect(source, {}, [0, 1]);
    const [plain] = await collect(source, { colorShift: undefined }, [0, 1]);
    for (let plane = 0; plane < 12; plane++) {
      const [from, to] = [plane * 576, (plane + 1) * 576];
      const differences = shifted!.input.slice(from, to).map((value, i) => value - plain!.input[from + i]!);
      for (const difference of differences) assert.ok(Math.abs(difference - differences[0]!) < 1e-4);
    }
    assert.notDeepEqual(shifted!.input, plain!.input);
  });

  it('reads small sets once', async () => {
    let reads = 0;
    const source = storedSource(() => void reads++);
    await collect(source, { concurrency: 1, ahead: 0 }, [0, 12]);
    assert.equal(reads, COUNT);
    reads = 0;
    await collect(source, { memory: 0 }, [0, 12]);
    assert.equal(reads, 48);
  });

  it('works ahead, but not farther than `ahead`', async () => {
    let started = 0;
    const source = storedSource(() => void started++);
    const images = new TrainingImages(source, { ...options, ahead: 2, memory: 0 });
    const batches = images.loadBatches(sampler.batches(0));
    await batches.next();
    await sleep(50);
    assert.equal(started, 3 * 4);
    await batches.return();
  });

  it('never processes more images at once than `concurrency`', async () => {
    let [now, most] = [0, 0];
    const source = storedSource(async () => {
      most = Math.max(most, ++now);
      await sleep(2);
      now--;
    });
    await collect(source, { concurrency: 3, ahead: 4, memory: 0 });
    assert.equal(most, 3);
  });

  it('replaces an image that cannot be read by the next one for good, and names it in its batch', async () => {
    const bad = sampler.batch(2).images[1]!;
    const source = sourceOf(COUNT, (index) =>
      index === bad ? { kind: 'encoded', bytes: Buffer.from('text') } : stored(index),
    );
    const plan = [...sampler.batches(0, 6)];
    const before = plan.slice(0, 2).filter(({ images }) => !images.includes(bad)).length;
    assert.equal(before, 2, 'the bad image is late enough in the plan');
    const batches = await arrayOf(new TrainingImages(source, options).loadBatches(plan));
    const next = (bad + 1) % COUNT;
    const expected = plan.map(({ images }) => images.map((image) => (image === bad ? next : image)));
    assert.deepEqual(
      batches.map(({ images }) => images),
      expected,
    );
    assert.deepEqual(
      batches.map(({ labels }) => labels),
      expected.map((images) => Int32Array.from(images, (image) => source.label(image))),
    );
    const lost = batches.map((batch) => batch.lost?.map(({ index, message }) => `${index}: ${message}`));
    assert.match(lost[2]!.join(), new RegExp(`^${bad}: image-${bad} is not a JPEG`));
    assert.deepEqual(lost.toSpliced(2, 1), [[], [], [], [], []]);
    // A resumed run, whose image can be read again, repeats that.
    const again = new TrainingImages(sourceOf(COUNT, stored), { ...options, lost: [bad] }).loadBatches(plan);
    assert.deepEqual(
      await arrayOf(again),
      batches.map(({ lost: _, ...batch }) => ({ ...batch, lost: [] })),
    );
  });

  it('refuses to go on without any readable image', async () => {
    const source = sourceOf(COUNT, () => ({ kind: 'encoded', bytes: Buffer.from('text') }));
    const batches = new TrainingImages(source, options).loadBatches(sampler.batches(0));
    await refused(batches.next(), /has no readable image left/);
    assert.deepEqual(await batches.next(), { done: true, value: undefined });
  });

  it('has stopped all work once it is closed early', async () => {
    let now = 0;
    const source = storedSource(async () => {
      now++;
      await sleep(5);
      now--;
    });
    let closed = false;
    const plan = (function* () {
      try {
        yield* sampler.batches(0);
      } finally {
        closed = true;
      }
    })();
    for await (const batch of new TrainingImages(source, { ...options, memory: 0 }).loadBatches(plan)) {
      assert.ok(batch);
      break;
    }
    assert.equal(now, 0);
    assert.ok(closed, 'the plan is closed too');
  });

  it('enlarges an image of one pixel', async () => {
    const image = { width: 1, height: 1, pixels: Uint8Array.of(10, 20, 30) };
    const source = sourceOf(COUNT, () => ({ kind: 'pixels', image }));
    const [batch] = await collect(source, { colorShift: undefined }, [0, 1]);
    assert.ok(batch!.input.subarray(0, 576).every((value) => value === 10 - 120));
  });
});

describe('images for evaluation', () => {
  it('come in order at every scale', async () => {
    const source = await mixedSource((index) => (index % 2 ? 0 : 4));
    const seen: number[] = [];
    for await (const image of loadForEvaluation(source, { scales: [32, 48] })) {
      seen.push(image.index);
      assert.equal(image.label, image.index % 2);
      assert.equal(image.name, `image-${image.index}`);
      const sides = image.scaled.map(({ width, height }) => Math.min(width, height));
      assert.deepEqual(sides, [32, 48]);
    }
    assert.deepEqual(seen, range(COUNT));
  });

  it('can be some of them', async () => {
    const loading = loadForEvaluation(await mixedSource(), { scales: [32], images: [7, 2] });
    assert.deepEqual(pluck(await arrayOf(loading), 'index'), [7, 2]);
  });
});
