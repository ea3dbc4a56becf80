/** The test protocols, on small networks with the reference backend. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Layer } from '../../../../src/core/layer.ts';
import { imagePlanes, writeCrop } from '../../../../src/data/pixels/crop.ts';
import type { RgbImage } from '../../../../src/data/sources/image-source.ts';
import { DeterministicBatcher } from '../../../../src/evaluate/inference/batcher.ts';
import { Ensemble } from '../../../../src/evaluate/inference/ensemble.ts';
import type { ClassifyOptions } from '../../../../src/evaluate/inference/image-classifier.ts';
import { gridCrops } from '../../../../src/evaluate/protocol/crop-grid.ts';
import { meanOf, softmax } from '../../../../src/evaluate/protocol/softmax.ts';
import { reference } from '../../../support/backends.ts';
import { pluck } from '../../../support/lists.ts';
import {
  classifierOf,
  ensembleOf,
  MEAN,
  mirrored,
  picture,
  type SmallModel,
  smallModel,
} from '../small-models.ts';

async function posteriorsOf(model: SmallModel, image: RgbImage, options: ClassifyOptions): Promise<number[]> {
  const classifier = classifierOf(model);
  const pending = classifier.classify([image], options);
  classifier.flush();
  const posteriors = [...meanOf((await pending).map(({ values }) => values))];
  classifier.close();
  return posteriors;
}

function assertSame(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of actual.entries()) {
    assert.ok(Math.abs(value - expected[i]!) <= tolerance, `class ${i}: ${value}, not ${expected[i]}`);
  }
}

async function assertMirrorInvariant(model: SmallModel, image: RgbImage, protocol: 'dense' | 'crops') {
  const mirror = await posteriorsOf(model, mirrored(image), { protocol });
  assertSame(await posteriorsOf(model, image, { protocol }), mirror, 1e-12);
}

async function run(
  model: SmallModel,
  layers: readonly Layer[],
  shape: readonly number[],
  input: Float32Array,
) {
  const [channels, height, width] = shape as [number, number, number];
  const program = await reference.compile({
    layers,
    inputShape: [1, channels, height, width],
    parameters: model.parameters,
  });
  const output = await program.forward(input);
  program.dispose();
  return { output, shape: program.outputShape };
}

/**
 * Dense scores without a dense classifier: the features of the whole image, then fc6 to fc8 on each window of the
 * features, as for a crop, and the mean.
 */
async function slidingScores(model: SmallModel, image: RgbImage, flip: boolean): Promise<Float64Array> {
  const { layers, crop, pooling } = model.network;
  const split = layers.findIndex(({ name }) => name === 'fc6');
  const seen = flip ? mirrored(image) : image;
  const { width: columns, height: rows } = seen;
  // Pooling that rounds down ignores what exceeds a multiple of 32; half of it is left out on each side.
  const [across, down] = pooling === 'floor' ? [columns % 32, rows % 32] : [0, 0];
  const area = {
    left: Math.floor(across / 2),
    top: Math.floor(down / 2),
    width: columns - across,
    height: rows - down,
  };
  const input = imagePlanes(seen, MEAN, area);
  const size = [3, area.height, area.width];
  const { output: features, shape } = await run(model, layers.slice(0, split), size, input);
  const [, channels, height, width] = shape;
  const side = crop / 32;
  const scores: Float64Array[] = [];
  for (let top = 0; top + side <= height; top++) {
    for (let left = 0; left + side <= width; left++) {
      const window = new Float32Array(channels * side * side);
      for (let c = 0, at = 0; c < channels; c++) {
        for (let y = top; y < top + side; y++) {
          for (let x = left; x < left + side; x++) window[at++] = features[(c * height + y) * width + x]!;
        }
      }
      const classified = await run(model, layers.slice(split), [channels, side, side], window);
      assert.deepEqual(classified.shape, [1, model.network.classes, 1, 1]);
      scores.push(Float64Array.from(classified.output));
    }
  }
  assert.ok(scores.length > 1, 'one position only');
  return meanOf(scores);
}

describe('dense evaluation', () => {
  for (const configuration of ['A', 'A-LRN', 'C'] as const) {
    it(`${configuration}: of an image of the crop's size equals the center crop`, async () => {
      const model = await smallModel({ configuration, crop: 64 });
      const image = picture(64, 64, 3);
      for (const flip of [false, true]) {
        const dense = await posteriorsOf(model, image, { protocol: 'dense', flip });
        assert.deepEqual(dense, await posteriorsOf(model, image, { protocol: 'center', flip }));
      }
    });
  }

  it('of an image less than 32 pixels larger than the crop equals the center crop', async () => {
    const model = await smallModel({ crop: 64 });
    for (const image of [picture(72, 72, 3), picture(95, 64, 4), picture(64, 77, 5)]) {
      const dense = await posteriorsOf(model, image, { protocol: 'dense', flip: false });
      assert.deepEqual(dense, await posteriorsOf(model, image, { protocol: 'center', flip: false }));
    }
  });

  for (const pooling of ['floor', 'ceil'] as const) {
    it(`is a classifier that slides over the features, pooling by ${pooling}`, async () => {
      const model = await smallModel({ crop: 64, pooling });
      for (const image of [picture(107, 75, 1), picture(70, 150, 2)]) {
        const dense = await posteriorsOf(model, image, { protocol: 'dense' });
        const flips = await Promise.all([false, true].map((flip) => slidingScores(model, image, flip)));
        // The reference sums in double precision either way and rounds to float32 after every layer.
        assertSame(dense, [...meanOf(flips.map(softmax))], 1e-7);
        assert.ok(Math.max(...dense) < 0.999, 'too confident to show a difference');
      }
    });
  }

  it('of a mirrored image is the same, because both are averaged', async () => {
    const model = await smallModel();
    const image = picture(75, 50, 4);
    await assertMirrorInvariant(model, image, 'dense');
    const plain = { protocol: 'dense', flip: false } as const;
    const unequal = await posteriorsOf(model, mirrored(image), plain);
    assert.notDeepEqual(await posteriorsOf(model, image, plain), unequal);
  });

  it('accepts images twenty times as long as wide', async () => {
    const model = await smallModel();
    for (const image of [picture(32, 640, 1), picture(640, 32, 2)]) {
      const posteriors = await posteriorsOf(model, image, { protocol: 'dense' });
      assertSame([posteriors.reduce((a, b) => a + b)], [1], 1e-12);
    }
  });
});

describe('crops', () => {
  it('of a mirrored image are the same if the grid is symmetric', async () => {
    const model = await smallModel();
    // 40 − 32 and 48 − 32 are multiples of 4.
    const image = picture(48, 40, 4);
    await assertMirrorInvariant(model, image, 'crops');
  });

  it('of an image of their size are one crop and its mirror image', async () => {
    const model = await smallModel();
    const image = picture(32, 32, 6);
    const crops = await posteriorsOf(model, image, { protocol: 'crops' });
    assertSame(crops, await posteriorsOf(model, image, { protocol: 'center', flip: true }), 1e-12);
  });

  it('in the same place are computed once, and count as often as the grid has them', async () => {
    const model = await smallModel();
    const { network } = model;
    const image = picture(34, 32, 6);
    const places = new Set<string>();
    let submitted = 0;
    const classifier = classifierOf(model, {
      batcher: (runner) => {
        const queue = new DeterministicBatcher(runner);
        return {
          submit: (item) => {
            submitted++;
            return queue.submit(item);
          },
          addFiller: (item) => queue.addFiller(item),
          flush: () => queue.flush(),
          close: (error) => queue.close(error),
        };
      },
    });
    const pending = classifier.scores('crops', image, true);
    classifier.flush();
    const scores = await pending;
    classifier.close();
    const crops = gridCrops(image, network.crop, true);
    assert.equal(scores.length, crops.length);
    for (const [i, crop] of crops.entries()) {
      places.add(JSON.stringify(crop));
      const input = new Float32Array(3 * network.crop ** 2);
      writeCrop(image, crop, MEAN, input, 0);
      const { output } = await run(model, network.layers, [3, network.crop, network.crop], input);
      assertSame([...scores[i]!], [...output], 1e-6);
    }
    // Columns 0, 1 and 2, and their mirror images.
    assert.equal(places.size, 6);
    assert.equal(submitted, 6);
  });

  it('and dense evaluation are averaged as both', async () => {
    const model = await smallModel();
    const image = picture(41, 35, 6);
    const [dense, crops, both] = await Promise.all(
      (['dense', 'crops', 'both'] as const).map((protocol) => posteriorsOf(model, image, { protocol })),
    );
    const mean = dense!.map((value, i) => (value + crops![i]!) / 2);
    assertSame(both!, mean, 1e-15);
  });
});

describe('an ensemble', () => {
  const scaled = [picture(32, 36, 1), picture(40, 45, 2)];
  const classify = async (
    models: readonly SmallModel[],
    scales: readonly number[],
    images: readonly RgbImage[],
  ) => {
    const ensemble = ensembleOf(models, scales, { protocol: 'both' });
    const classified = ensemble.classify(images);
    ensemble.flush();
    const posteriors = await classified;
    ensemble.close();
    return posteriors;
  };

  it('averages over scales, and posteriors sum to 1', async () => {
    const model = await smallModel();
    const { posteriors, parts } = await classify([model], [32, 40], scaled);
    const small = await classify([model], [32], scaled.slice(0, 1));
    const large = await classify([model], [40], scaled.slice(1));
    assert.deepEqual(pluck(parts, 'model'), [0, 0, 0, 0]);
    assert.deepEqual(pluck(parts, 'protocol'), ['dense', 'crops', 'dense', 'crops']);
    assert.deepEqual(pluck(parts, 'scale'), [32, 32, 40, 40]);
    const mean = [...small.posteriors].map((value, i) => (value + large.posteriors[i]!) / 2);
    // Posteriors are float32.
    assertSame([...posteriors], mean, 1e-7);
    assertSame([posteriors.reduce((a, b) => a + b)], [1], 1e-6);
  });

  it('of a model and itself is that model', async () => {
    const model = await smallModel();
    const alone = await classify([model], [32, 40], scaled);
    const twice = await classify([model, model], [32, 40], scaled);
    assert.deepEqual(twice.posteriors, alone.posteriors);
  });

  it('is the mean of its models, each with its own crop and scales', async () => {
    const [a, b] = [await smallModel(), await smallModel({ configuration: 'B', crop: 64 }, { seed: 8 })];
    const images = [picture(32, 36, 1), picture(64, 72, 2)];
    const one = await classify([a], [32], images.slice(0, 1));
    const other = await classify([b], [64], images.slice(1));
    const members = [
      { classifier: classifierOf(b), scales: [64] },
      { classifier: classifierOf(a), scales: [32] },
    ];
    const ensemble = new Ensemble(members, { protocol: 'both' });
    assert.deepEqual(ensemble.scales, [32, 64]);
    const classified = ensemble.classify(images);
    ensemble.flush();
    const mean = [...one.posteriors].map((value, i) => (value + other.posteriors[i]!) / 2);
    assertSame([...(await classified).posteriors], mean, 1e-7);
    ensemble.close();
  });
});
