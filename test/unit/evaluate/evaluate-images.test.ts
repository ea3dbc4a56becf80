import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../../src/core/errors.ts';
import type { ImageSource, StoredImage } from '../../../src/data/sources/source.ts';
import { evaluateImages, type EvaluatedImage, windowFor } from '../../../src/evaluate/evaluate-images.ts';
import type { BatchingLimits } from '../../../src/evaluate/image-classifier.ts';
import { backendsUnderTest } from '../../support/backends.ts';
import { sourceOf } from '../../support/images.ts';
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
  readonly onImage?: (judged: EvaluatedImage) => void;
}

/** Posteriors by number of the image. */
async function judge(model: SmallModel, { source = images(), isDone, signal, onImage, ...limits }: Run = {}) {
  const ensemble = ensembleOf([model], [32], { protocol: 'dense' }, limits);
  const judged = new Map<number, Float32Array>();
  try {
    await evaluateImages({
      source,
      ensemble,
      isDone,
      signal,
      onImage: (one) => {
        assert.ok(!judged.has(one.image), `image ${one.image} comes twice`);
        assert.equal(one.label, one.image % 2);
        assert.equal(one.name, `image-${one.image}`);
        judged.set(one.image, one.posteriors);
        onImage?.(one);
      },
    });
  } finally {
    ensemble.close();
  }
  return judged;
}

describe('an evaluation', () => {
  it('judges every image once, whatever the order in which they are decoded', async () => {
    const source = images(COUNT, (index) => sleep(index % 3));
    const judged = await judge(await smallModel(), { source });
    assert.equal(judged.size, COUNT);
    for (const posteriors of judged.values()) {
      assert.ok(Math.abs(posteriors.reduce((a, b) => a + b) - 1) < 1e-6);
    }
  });

  for (const { name, backend, missing } of backendsUnderTest) {
    it(`${name}: does not depend on the batches`, { skip: missing ?? false }, async () => {
      const model = await smallModel({}, { backend: backend! });
      const alone = await judge(model, { batch: 1 });
      for (const limits of [{}, { batch: 4 }, { batchBytes: 100_000 }, { programBytes: 1 }]) {
        for (const [image, posteriors] of await judge(model, limits)) {
          // Float32 sums whose order may depend on the batch: a few units in the last place.
          const expected = alone.get(image)!;
          for (const [c, value] of posteriors.entries()) assert.ok(Math.abs(value - expected[c]!) < 1e-6);
        }
      }
    });

    it(`${name}: with some images done, gives the others the same, bit for bit`, {
      skip: missing ?? false,
    }, async () => {
      const model = await smallModel({}, { backend: backend! });
      const whole = await judge(model);
      const rest = await judge(model, { isDone: (image) => image % 5 !== 3 });
      assert.equal(rest.size, COUNT / 5);
      for (const [image, posteriors] of rest) assert.deepEqual(posteriors, whole.get(image));
    });
  }

  it('reads nothing of windows that are done', async () => {
    const window = windowFor([32]);
    const read = new Set<number>();
    const source = images(window + 8, (index) => void read.add(index));
    await judge(await smallModel(), { source, isDone: (image) => image < window || image > window + 2 });
    assert.deepEqual(
      [...read].sort((a, b) => a - b),
      Array.from({ length: 8 }, (_, i) => window + i),
    );
  });

  it('holds two windows of images, and those that are decoded ahead', async () => {
    const window = windowFor([32]);
    let [read, judged, most] = [0, 0, 0];
    const source = images(3 * window, () => {
      most = Math.max(most, ++read - judged);
    });
    await judge(await smallModel(), { source, onImage: () => void judged++ });
    assert.equal(judged, 3 * window);
    assert.ok(most <= 2 * window + 16, `${most} images were held`);
  });

  it('names the image that cannot be used, and has judged some of those before it', async () => {
    const source = images(COUNT, (index) => {
      if (index === 30) throw new UserError('image-30 is damaged');
    });
    let judged = 0;
    const model = await smallModel();
    await assert.rejects(
      judge(model, { source, batch: 2, onImage: () => void judged++ }),
      /image-30 is damaged/,
    );
    assert.ok(judged <= 30);
  });

  it('stops at once when it is told to, with the reason', async () => {
    const stop = new AbortController();
    const reason = new UserError('stopped');
    let judged = 0;
    const onImage = () => {
      if (++judged === 5) stop.abort(reason);
    };
    const model = await smallModel();
    const source = images(200);
    await assert.rejects(judge(model, { source, batch: 2, signal: stop.signal, onImage }), reason);
    const then = judged;
    await sleep(20);
    assert.equal(judged, then);
    assert.ok(judged < 20);
    await assert.rejects(judge(model, { signal: stop.signal }), reason);
  });
});

describe('a window', () => {
  it('has few large images, and many small ones', () => {
    assert.equal(windowFor([32]), 256);
    assert.ok(windowFor([256]) >= 100);
    assert.ok(windowFor([512]) < 40);
    assert.equal(windowFor([256, 384, 512]), 16);
  });
});
