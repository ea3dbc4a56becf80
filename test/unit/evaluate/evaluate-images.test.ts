import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../../src/core/errors.ts';
import type { ImageSource, StoredImage } from '../../../src/data/sources/image-source.ts';
import { chunkSize, type EvaluatedImage, evaluateImages } from '../../../src/evaluate/evaluate-images.ts';
import type { BatchingLimits } from '../../../src/evaluate/inference/image-classifier.ts';
import { backendsUnderTest } from '../../support/backends.ts';
import { sourceOf } from '../../support/images.ts';
import { ascending, range } from '../../support/lists.ts';
import { ensembleOf, picture, type SmallModel, smallModel } from './small-models.ts';

const COUNT = 40;
const SIZES = [
  [32, 40],
  [40, 32],
  [32, 48],
  [32, 32],
] as const;

/** Images of four sizes whose smaller side is 32 already. */
function images(count = COUNT, before: (index: number) => void | Promise<void> = () => {}): ImageSource {
  return sourceOf(count, async (index): Promise<StoredImage> => {
    await before(index);
    const [width, height] = SIZES[(index * 7) % 4]!;
    return { kind: 'pixels', image: picture(width, height, index) };
  });
}

interface Run extends BatchingLimits {
  readonly source?: ImageSource;
  readonly isDone?: (image: number) => boolean;
  readonly signal?: AbortSignal;
  readonly onImage?: (image: EvaluatedImage) => void;
}

/** Posteriors by number of the image. */
async function evaluate(
  model: SmallModel,
  { source = images(), isDone, signal, onImage, ...limits }: Run = {},
) {
  const ensemble = ensembleOf([model], [32], { protocol: 'dense' }, limits);
  const done = new Map<number, Float32Array>();
  try {
    await evaluateImages({
      source,
      ensemble,
      isDone,
      signal,
      onImage: (one) => {
        assert.ok(!done.has(one.image), `image ${one.image} comes twice`);
        assert.equal(one.label, one.image % 2);
        assert.equal(one.name, `image-${one.image}`);
        done.set(one.image, one.posteriors);
        onImage?.(one);
      },
    });
  } finally {
    ensemble.close();
  }
  return done;
}

describe('an evaluation', () => {
  it('evaluates every image once, in whatever order they are decoded', async () => {
    const source = images(COUNT, (index) => sleep(index % 3));
    const done = await evaluate(await smallModel(), { source });
    assert.equal(done.size, COUNT);
    for (const posteriors of done.values()) {
      assert.ok(Math.abs(posteriors.reduce((a, b) => a + b) - 1) < 1e-6);
    }
  });

  for (const { name, backend, skip } of backendsUnderTest) {
    it(`${name}: does not depend on the batches`, { skip }, async () => {
      const model = await smallModel({}, { backend: backend! });
      const alone = await evaluate(model, { batch: 1 });
      for (const limits of [{}, { batch: 4 }, { batchBytes: 100_000 }, { programBytes: 1 }]) {
        for (const [image, posteriors] of await evaluate(model, limits)) {
          // Float32 sums whose order may depend on the batch: a few units in the last place.
          const expected = alone.get(image)!;
          for (const [c, value] of posteriors.entries()) assert.ok(Math.abs(value - expected[c]!) < 1e-6);
        }
      }
    });

    it(`${name}: with some images done, gives the others the same, bit for bit`, { skip }, async () => {
      const model = await smallModel({}, { backend: backend! });
      const whole = await evaluate(model);
      const rest = await evaluate(model, { isDone: (image) => image % 5 !== 3 });
      assert.equal(rest.size, COUNT / 5);
      for (const [image, posteriors] of rest) assert.deepEqual(posteriors, whole.get(image));
    });
  }

  it('reads nothing of chunks that are done', async () => {
    const size = chunkSize([32]);
    const read = new Set<number>();
    const source = images(size + 8, (index) => void read.add(index));
    await evaluate(await smallModel(), { source, isDone: (image) => image < size || image > size + 2 });
    const last = range(size + 8).slice(size);
    assert.deepEqual(ascending(read), last);
  });

  it('holds two chunks of images, and those that are decoded ahead', async () => {
    const size = chunkSize([32]);
    let [read, done, most] = [0, 0, 0];
    const source = images(3 * size, () => {
      most = Math.max(most, ++read - done);
    });
    await evaluate(await smallModel(), { source, onImage: () => void done++ });
    assert.equal(done, 3 * size);
    assert.ok(most <= 2 * size + 16, `${most} images were held`);
  });

  it('names the image that cannot be used, after evaluating some of those before it', async () => {
    const source = images(COUNT, (index) => {
      if (index === 30) throw new UserError('image-30 is damaged');
    });
    let done = 0;
    const model = await smallModel();
    const evaluation = evaluate(model, { source, batch: 2, onImage: () => void done++ });
    await assert.rejects(evaluation, /image-30 is damaged/);
    assert.ok(done <= 30);
  });

  it('stops immediately when it is aborted, with the reason', async () => {
    const stop = new AbortController();
    const reason = new UserError('stopped');
    let done = 0;
    const onImage = () => {
      if (++done === 5) stop.abort(reason);
    };
    const model = await smallModel();
    const source = images(200);
    await assert.rejects(evaluate(model, { source, batch: 2, signal: stop.signal, onImage }), reason);
    const then = done;
    await sleep(20);
    assert.equal(done, then);
    assert.ok(done < 20);
    await assert.rejects(evaluate(model, { signal: stop.signal }), reason);
  });
});

describe('a chunk', () => {
  it('has few large images, and many small ones', () => {
    assert.equal(chunkSize([32]), 256);
    assert.ok(chunkSize([256]) >= 100);
    assert.ok(chunkSize([512]) < 40);
    assert.equal(chunkSize([256, 384, 512]), 16);
  });
});
